//! Editing a product: optimistic locking by version and by entity tag, with groups of members.

use std::collections::BTreeMap;

use holdfast_types::{Basis, Code, Currency, Error, METADATA_PAIRS, Result, Timestamp, Version};

use super::{Change, Details, Image, Movement, PRICE_MAX, Product, SaleWindow, Status};

/// Why a window is refused.
pub(crate) const NEVER_OPEN: &str = "expected a moment after `opensAt`";

/// Which members an edit sets; the inner `Option` clears. A PUT sets all details, a PATCH some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProductPatch {
    pub(crate) sku: Option<Option<String>>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<Option<String>>,
    pub(crate) category: Option<Option<String>>,
    pub(crate) images: Option<Vec<Image>>,
    pub(crate) metadata: Option<MetadataPatch>,
    pub(crate) price: Option<PricePatch>,
    pub(crate) status: Option<Status>,
    pub(crate) sale_window: Option<SaleWindowPatch>,
    pub(crate) limit_per_customer: Option<Option<i64>>,
    pub(crate) quantity: Option<i64>,
}

/// What stays of a product where what replaces it does not say it: nobody opens a sale, or lifts a limit, by forgetting it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) status: Option<Status>,
    pub(crate) sale_window: Option<SaleWindow>,
    pub(crate) limit_per_customer: Option<Option<i64>>,
}

/// A merge patch of `metadata`: nulls remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetadataPatch {
    Replace(BTreeMap<String, String>),
    Merge(BTreeMap<String, Option<String>>),
}

/// A merge patch of `saleWindow`: a member that is there sets or clears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SaleWindowPatch {
    pub(crate) opens_at: Option<Option<Timestamp>>,
    pub(crate) closes_at: Option<Option<Timestamp>>,
}

impl SaleWindowPatch {
    /// Sets both.
    pub(crate) const fn replacing(window: SaleWindow) -> Self {
        Self { opens_at: Some(window.opens_at), closes_at: Some(window.closes_at) }
    }

    fn apply(self, window: SaleWindow) -> Result<SaleWindow> {
        let window = SaleWindow {
            opens_at: self.opens_at.unwrap_or(window.opens_at),
            closes_at: self.closes_at.unwrap_or(window.closes_at),
        };
        match window.is_sound() {
            true => Ok(window),
            false => Err(Error::invalid("#/saleWindow/closesAt", NEVER_OPEN)),
        }
    }
}

/// A merge patch of `price`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PricePatch {
    pub(crate) amount: Option<i64>,
    pub(crate) currency: Option<Currency>,
}

impl ProductPatch {
    /// Sets all details, the quantity if there is one, and of the offer what is said.
    pub(crate) fn replacing(
        details: Details,
        quantity: Option<i64>,
        Offer { status, sale_window, limit_per_customer }: Offer,
    ) -> Self {
        Self {
            sku: Some(details.sku),
            name: Some(details.name),
            description: Some(details.description),
            category: Some(details.category),
            images: Some(details.images),
            metadata: Some(MetadataPatch::Replace(details.metadata)),
            price: Some(PricePatch {
                amount: Some(details.price.amount),
                currency: Some(details.price.currency),
            }),
            status,
            sale_window: sale_window.map(SaleWindowPatch::replacing),
            limit_per_customer,
            quantity,
        }
    }

    fn sets_details(&self) -> bool {
        *self != Self { quantity: self.quantity, ..Self::default() }
    }

    fn apply(&self, details: &mut Details) -> Result<()> {
        set(&mut details.sku, self.sku.as_ref());
        set(&mut details.name, self.name.as_ref());
        set(&mut details.description, self.description.as_ref());
        set(&mut details.category, self.category.as_ref());
        set(&mut details.images, self.images.as_ref());
        set(&mut details.status, self.status.as_ref());
        set(&mut details.limit_per_customer, self.limit_per_customer.as_ref());
        match &self.metadata {
            None => {}
            Some(MetadataPatch::Replace(metadata)) => details.metadata.clone_from(metadata),
            Some(MetadataPatch::Merge(members)) => merge(&mut details.metadata, members)?,
        }
        if let Some(price) = self.price {
            details.price.amount = price.amount.unwrap_or(details.price.amount);
            details.price.currency = price.currency.unwrap_or(details.price.currency);
        }
        if let Some(window) = self.sale_window {
            details.sale_window = window.apply(details.sale_window)?;
        }
        assert!((0..=PRICE_MAX).contains(&details.price.amount), "prices are checked at the edge");
        Ok(())
    }
}

fn set<T: Clone>(target: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        target.clone_from(value);
    }
}

fn merge(
    metadata: &mut BTreeMap<String, String>,
    members: &BTreeMap<String, Option<String>>,
) -> Result<()> {
    for (name, value) in members {
        match value {
            Some(value) => metadata.insert(name.clone(), value.clone()),
            None => metadata.remove(name),
        };
    }
    match metadata.len() > METADATA_PAIRS {
        true => Err(Error::invalid(
            "#/metadata",
            format!("at most {METADATA_PAIRS} pairs, these would be {}", metadata.len()),
        )),
        false => Ok(()),
    }
}

impl Product {
    /// Edits the product if nobody changed what is set since the basis. An edit that alters nothing leaves the
    /// version alone. Refuses with `precondition-failed`, `version-conflict` or `below-reserved`.
    pub(crate) fn edit(
        &mut self,
        patch: &ProductPatch,
        basis: &Basis,
        change: Change,
    ) -> Result<Option<Movement>> {
        basis.check_tag(&self.etag())?;
        let mut changed = Version(0);
        if patch.sets_details() {
            changed = changed.max(self.details_version);
        }
        if patch.quantity.is_some() {
            changed = changed.max(self.quantity_version);
        }
        basis.check_version(self.version, changed)?;

        let mut details = self.details.clone();
        patch.apply(&mut details)?;
        let moves = patch.quantity.filter(|quantity| *quantity != self.quantity);
        let before = self.version;
        let movement =
            moves.map(|quantity| self.set_quantity(quantity, None, change)).transpose()?;
        if details != self.details {
            self.details = details;
            self.version = before.next();
            self.details_version = self.version;
            self.updated_at = change.at;
        }
        Ok(movement)
    }

    /// Takes the product off the shelves; a second time changes nothing.
    pub(crate) fn archive(&mut self, basis: &Basis, change: Change) -> Result<()> {
        let patch = ProductPatch { status: Some(Status::Archived), ..ProductPatch::default() };
        match self.details.status {
            Status::Archived => Ok(()),
            Status::Active => self.edit(&patch, basis, change).map(|_| ()),
        }
    }

    /// Who may change it: its seller, and who may change products `of_anybody`.
    pub(crate) fn may_change(&self, user: holdfast_types::UserId, of_anybody: bool) -> Result<()> {
        match of_anybody || self.seller == user {
            true => Ok(()),
            false => Err(Error::new(Code::Forbidden, "this product belongs to another seller")),
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::{Fingerprint, IfMatch, Money, ProductId, Timestamp, UserId};

    use super::{super::NewProduct, *};

    fn teapot() -> Product {
        let price = Money { amount: 1999, currency: "USD".parse().unwrap() };
        let details = Details {
            sku: None,
            name: "Teapot".into(),
            description: None,
            category: None,
            images: Vec::new(),
            metadata: BTreeMap::new(),
            price,
            status: Status::Active,
            sale_window: SaleWindow::default(),
            limit_per_customer: None,
        };
        Product::new(&NewProduct {
            id: ProductId::from_bytes([1; 16]),
            seller: UserId::from_bytes([2; 16]),
            details,
            quantity: 10,
            fingerprint: Fingerprint([0; 16]),
            created_at: Timestamp::from_millis(0),
        })
    }

    fn change() -> Change {
        Change { by: UserId::from_bytes([2; 16]), at: Timestamp::from_millis(5) }
    }

    fn at(version: i64) -> Basis {
        Basis { if_match: None, version: Some(Version(version)) }
    }

    fn rename(name: &str) -> ProductPatch {
        ProductPatch { name: Some(name.into()), ..ProductPatch::default() }
    }

    fn restock(quantity: i64) -> ProductPatch {
        ProductPatch { quantity: Some(quantity), ..ProductPatch::default() }
    }

    #[test]
    fn edits_of_different_groups_do_not_conflict() {
        let mut product = teapot();
        product.edit(&rename("Pot"), &at(1), change()).unwrap();
        let movement = product.edit(&restock(7), &at(1), change()).unwrap().unwrap();
        assert_eq!(
            (product.version, movement.quantity_delta, movement.sequence),
            (Version(3), -3, 2)
        );
        let error = product.edit(&rename("Kettle"), &at(1), change()).unwrap_err();
        assert_eq!(error.code(), Code::VersionConflict);
        assert_eq!(
            product.edit(&rename("Kettle"), &at(4), change()).unwrap_err().code(),
            Code::VersionConflict
        );
        product.edit(&rename("Kettle"), &at(2), change()).unwrap();
        assert_eq!(product.version, Version(4));
    }

    #[test]
    fn an_entity_tag_is_strict_where_a_version_is_lenient() {
        let mut product = teapot();
        let tag = Basis { if_match: Some(IfMatch::Tags(vec![product.etag()])), version: None };
        product.reserved = 1;
        assert_eq!(
            product.edit(&rename("Pot"), &tag, change()).unwrap_err().code(),
            Code::PreconditionFailed
        );
        product.edit(&rename("Pot"), &at(1), change()).unwrap();
    }

    #[test]
    fn an_edit_that_alters_nothing_is_no_version() {
        let mut product = teapot();
        product.edit(&rename("Teapot"), &at(1), change()).unwrap();
        product.edit(&restock(10), &at(1), change()).unwrap();
        assert_eq!((product.version, product.sequence), (Version(1), 1));
    }

    #[test]
    fn details_and_quantity_at_once_are_one_version() {
        let mut product = teapot();
        let both = ProductPatch { quantity: Some(3), ..rename("Pot") };
        product.edit(&both, &at(1), change()).unwrap();
        assert_eq!(
            (product.version, product.details_version, product.quantity_version),
            (Version(2), Version(2), Version(2))
        );
    }

    #[test]
    fn the_quantity_never_falls_below_what_is_promised() {
        let mut product = teapot();
        product.reserved = 4;
        for refused in [
            product.edit(&restock(3), &at(1), change()).map(|_| ()),
            product.adjust(-7, "lost", change()).map(|_| ()),
        ] {
            assert_eq!(refused.unwrap_err().code(), Code::BelowReserved);
        }
        product.adjust(-6, "lost", change()).unwrap();
        assert_eq!((product.quantity, product.available(), product.version), (4, 0, Version(2)));
    }
}
