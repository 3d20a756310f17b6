//! A list that is read page by page.

use std::collections::VecDeque;

use holdfast_types::Result;
use serde::{Deserialize, de::DeserializeOwned};

use crate::Shop;

/// The items of a list, one after the other.
#[derive(Debug)]
pub struct Items<'a, T> {
    shop: &'a mut Shop,
    /// With the filters, without a cursor.
    path: String,
    cursor: Option<String>,
    is_last: bool,
    here: VecDeque<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    items: VecDeque<T>,
    next_cursor: Option<String>,
}

/// The address of the page of a list that begins at `cursor`, or of its first.
pub(crate) fn page_of(path: &str, cursor: Option<&str>) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    format!("{path}{separator}limit=100{cursor}")
}

impl<'a, T: DeserializeOwned> Items<'a, T> {
    pub(crate) fn new(shop: &'a mut Shop, path: &str) -> Self {
        let path = path.to_owned();
        Self { shop, path, cursor: None, is_last: false, here: VecDeque::new() }
    }

    /// The next item, or nothing at the end.
    pub async fn next(&mut self) -> Result<Option<T>> {
        // A page may be empty and still not be the last.
        while self.here.is_empty() && !self.is_last {
            let path = page_of(&self.path, self.cursor.as_deref());
            let page: Page<T> = self.shop.get(&path).await?;
            self.is_last = page.next_cursor.is_none();
            (self.here, self.cursor) = (page.items, page.next_cursor);
        }
        Ok(self.here.pop_front())
    }
}
