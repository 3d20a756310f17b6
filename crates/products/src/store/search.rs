//! A search that shows first what fits best, and what was meant where nothing is found.

use std::cmp::Reverse;

use holdfast_types::{Cursor, Error, Page, PageRequest, ProductId, Result};

use super::{
    Beginnings, ProductFilter, ProductStore,
    listing::{self, Index, ROWS},
};
use crate::model::{Product, one_slip_away};

/// Where a product stands among what was found: the best fit first, then the newest.
type Place = (u32, i64, ProductId);

/// What a search found.
pub(crate) struct Found {
    pub(crate) page: Page<Product>,
    /// What was looked for; `None` where the products stand in the order of the list.
    words: Option<Vec<Beginnings>>,
}

impl Found {
    /// The cursor after a product.
    pub(crate) fn position(&self, filter: &ProductFilter, product: &Product) -> Cursor {
        match &self.words {
            Some(words) => Cursor::new(&filter.text, &place(words, product)),
            None => filter.position(product),
        }
    }
}

fn place(words: &[Beginnings], product: &Product) -> Place {
    (product.relevance(words), product.created_at.as_millis(), product.id)
}

/// A page of the products that pass the filter, the best fit first. Where more than [`ROWS`] have the words, it is the newest first:
/// a search is to be narrower than that. Where none has them, one word is taken for another that is one slip away.
pub(crate) async fn search(
    store: &ProductStore,
    filter: &ProductFilter,
    request: &PageRequest,
) -> Result<Found> {
    if !store.is_narrow(Index::Words, filter).await? {
        return Ok(Found { page: listing::list(store, filter, request).await?, words: None });
    }
    let (mut found, mut words) = (find(store, filter).await?, filter.words.clone());
    if found.is_empty()
        && let Some(meant) = meant(store, filter).await?
    {
        let corrected = ProductFilter { words: meant.clone(), ..filter.clone() };
        if !store.is_narrow(Index::Words, &corrected).await? {
            let page = listing::list(store, &corrected, request).await?;
            return Ok(Found { page, words: None });
        }
        (found, words) = (find(store, &corrected).await?, meant);
    }
    let after = request.after.as_ref().map(|after| after.position::<Place>(&filter.text));
    let after = after.transpose()?;
    let wanted = words.clone();
    let judge = move || -> Vec<(Place, Product)> {
        found.into_iter().map(|product| (place(&wanted, &product), product)).collect()
    };
    // Thousands of descriptions are read: not where requests wait for each other.
    let mut found = tokio::task::spawn_blocking(judge).await.map_err(Error::internal)?;
    found.retain(|(place, _)| after.is_none_or(|after| *place < after));
    found.sort_unstable_by_key(|(place, _)| Reverse(*place));
    let page = Page::cut(found, request.limit, |(place, _)| Cursor::new(&filter.text, place));
    let items = page.items.into_iter().map(|(_, product)| product).collect();
    Ok(Found { page: Page { items, next: page.next }, words: Some(words) })
}

/// All that have the words, as long as those are no more than a search looks at.
async fn find(store: &ProductStore, filter: &ProductFilter) -> Result<Vec<Product>> {
    store.list_by(Index::Words, filter, &PageRequest { limit: ROWS, after: None }).await
}

/// The words with the one that nothing begins with in all ways in which it may have been meant; `None` when that is not one word.
async fn meant(store: &ProductStore, filter: &ProductFilter) -> Result<Option<Vec<Beginnings>>> {
    let (words, archived) = (&filter.words, filter.archived);
    let mut unknown = None;
    for (place, word) in words.iter().enumerate() {
        let alone =
            ProductFilter { archived, words: vec![word.clone()], ..ProductFilter::default() };
        let first = PageRequest { limit: 1, after: None };
        let is_known = !store.is_narrow(Index::Words, &alone).await?
            || !store.list_by(Index::Words, &alone, &first).await?.is_empty();
        if !is_known && unknown.replace(place).is_some() {
            return Ok(None);
        }
    }
    let Some(place) = unknown else { return Ok(None) };
    let neighbours: Vec<String> =
        words[place].iter().flat_map(|word| one_slip_away(word)).collect();
    let mut words = words.clone();
    words[place] = neighbours;
    Ok((!words[place].is_empty()).then_some(words))
}
