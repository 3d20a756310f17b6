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

impl<'a, T: DeserializeOwned> Items<'a, T> {
    pub(crate) fn new(shop: &'a mut Shop, path: &str) -> Self {
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}limit=100");
        Self { shop, path, cursor: None, is_last: false, here: VecDeque::new() }
    }

    /// The next item, or nothing at the end.
    pub async fn next(&mut self) -> Result<Option<T>> {
        // A page may be empty and still not be the last.
        while self.here.is_empty() && !self.is_last {
            let path = match &self.cursor {
                Some(cursor) => format!("{}&cursor={cursor}", self.path),
                None => self.path.clone(),
            };
            let page: Page<T> = self.shop.get(&path).await?;
            self.is_last = page.next_cursor.is_none();
            (self.here, self.cursor) = (page.items, page.next_cursor);
        }
        Ok(self.here.pop_front())
    }
}
