//! How a list of products is read, so that no request costs more than looking at a bounded number of rows.
//!
//! An index serves each order, and some serve a filter, but none serves every filter in every order. So a list is walked in its
//! order, and the walk ends early when what it looks for is rare: the page is then shorter than was asked for and says
//! where the next one begins. Unless a filter with an index of its own lets few products through: then those are
//! read and sorted.

use holdfast_types::{Cursor, Page, PageRequest, Result};

use super::{ProductFilter, ProductStore, SortKey};
use crate::model::Product;

/// Products that one request looks at: about 5 ms of an embedded database.
pub(crate) const ROWS: usize = 2_000;
/// Categories in the list of them: who has more has no list but names.
pub(crate) const CATEGORIES: i64 = 10_000;

/// A filter that has an index of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    /// The primary key, or the skus.
    Keys,
    Words,
    Category,
    Price,
}

/// A part of a list, walked in its order.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Products that pass the filter: at most one more than wanted.
    pub(crate) found: Vec<Product>,
    /// Where the walk ended after [`ROWS`] products; `None` when it got to the end of the list or found enough.
    pub(crate) ended: Option<Cursor>,
}

/// One condition of a filter, in the words of an engine.
#[derive(Debug)]
pub(crate) struct Condition<C> {
    /// The index that serves it.
    pub(crate) index: Option<Index>,
    pub(crate) condition: C,
}

impl ProductFilter {
    /// Whether an index that is in the order of the list serves such conditions too.
    pub(crate) fn is_in_order(&self, index: Option<Index>) -> bool {
        match index {
            Some(Index::Price) => self.sort.key == SortKey::Price,
            Some(Index::Category) => self.sort.key == SortKey::CreatedAt,
            Some(Index::Keys | Index::Words) | None => false,
        }
    }

    /// Indexes that might let few products through, which walking in order does not use.
    fn indexes_aside(&self) -> impl Iterator<Item = Index> {
        let has_price = self.min_price.is_some() || self.max_price.is_some();
        [(Index::Category, self.category.is_some()), (Index::Price, has_price)]
            .into_iter()
            .filter_map(|(index, applies)| applies.then_some(index))
            .filter(|index| !self.is_in_order(Some(*index)))
    }

    /// Whether a product has all the words: for those who cannot ask their database.
    pub(crate) fn has_words(&self, product: &Product) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let text = product.words();
        let has = |word: &String| text.split(' ').any(|known| known.starts_with(word));
        self.words.iter().all(|words| words.iter().any(has))
    }
}

/// A page of the products that pass the filter.
pub(crate) async fn list(
    store: &ProductStore,
    filter: &ProductFilter,
    request: &PageRequest,
) -> Result<Page<Product>> {
    let sorted = |found| Page::cut(found, request.limit, |product| filter.position(product));
    if filter.ids.is_some() || filter.sku.is_some() {
        return Ok(sorted(store.list_by(Index::Keys, filter, request).await?));
    }
    if !filter.words.is_empty() && store.is_narrow(Index::Words, filter).await? {
        return Ok(sorted(store.list_by(Index::Words, filter, request).await?));
    }
    let Walk { found, ended } = store.walk(filter, request).await?;
    if found.len() > request.limit || ended.is_none() {
        return Ok(sorted(found));
    }
    for index in filter.indexes_aside() {
        if store.is_narrow(index, filter).await? {
            return Ok(sorted(store.list_by(index, filter, request).await?));
        }
    }
    Ok(Page { items: found, next: ended })
}
