//! Whether a large catalogue is as quick to read as a small one.

use bytes::Bytes;
use holdfast_testkit::Engine;
use hyper::Method;

use super::{
    Figures, LIST, LIST_UNDER_ORDERS, ORDERS_UNDER_LISTS, PRODUCT, Plan, Shop, Stand, Target, Unit,
    lists_beside_orders, product_path, read_rate,
};
use holdfast_client::Connection;

use crate::Result;

/// Products of a shop that counts as small, at most.
const FEW: usize = 10_000;
/// Pages that are turned to find a deep one.
const DEEP: usize = 1_000;

const SEARCH_FOR_MOST: &str = "search for what all have";
const SEARCH_FOR_ONE: &str = "search for what one has";
const DEEP_PAGE: &str = "page 1,000, or the last";
const WHATS: [&str; 7] = [
    PRODUCT,
    LIST,
    SEARCH_FOR_MOST,
    SEARCH_FOR_ONE,
    DEEP_PAGE,
    LIST_UNDER_ORDERS,
    ORDERS_UNDER_LISTS,
];

/// Fills a shop with `count` products, and reads it in turn with a small one.
pub(super) async fn compare(
    count: usize,
    small: &mut Shop,
    plan: &Plan,
    figures: &mut Figures,
    tell: impl Fn(&str),
) -> Result<()> {
    let stand = Stand::start(Engine::Sqlite, &[]).await?;
    let mut large =
        Shop::prepare(&stand.seller().await?, &stand.shop.url, &plan.run, count).await?;
    tell(&format!("{count} products\n"));
    let names = [
        |what: &str| format!("few products: {what}"),
        |what: &str| format!("many products: {what}"),
    ];
    let deep_pages = [deep_page(&small.url).await?, deep_page(&large.url).await?];
    for _ in 0..plan.rounds {
        for (place, shop) in [&mut *small, &mut large].into_iter().enumerate() {
            let mut note = |what: &str, rate| {
                figures.note(&names[place](what), Unit::PerSecond, rate);
            };
            for (what, path) in [
                (PRODUCT, product_path(shop)),
                (LIST, "/api/products".to_owned()),
                (SEARCH_FOR_MOST, "/api/products?q=green%20hills".to_owned()),
                // Words are found by how they begin, and no longer number begins with the last.
                (SEARCH_FOR_ONE, format!("/api/products?q={}", shop.products.len() - 1)),
                (DEEP_PAGE, deep_pages[place].clone()),
            ] {
                note(what, read_rate(&shop.url, &path, plan.clients, plan.time).await?);
            }
            // What is kept of a list is of no use while orders come in.
            let (lists, orders) = lists_beside_orders(shop, plan).await?;
            note(LIST_UNDER_ORDERS, lists);
            note(ORDERS_UNDER_LISTS, orders);
        }
    }
    for what in WHATS {
        figures.hold(&names[1](what), Some(&names[0](what)), Some(Target::AtLeast(0.8)));
    }
    Ok(())
}

/// The path of page 1,000 of the list of products, or of the last page where there are fewer.
async fn deep_page(url: &str) -> Result<String> {
    let mut connection = Connection::new(url);
    let mut path = "/api/products".to_owned();
    for _ in 1..DEEP {
        let page = connection.send(Method::GET, &path, &[], Bytes::new()).await?.expect(200)?;
        let Some(next) = page["nextCursor"].as_str() else { break };
        path = format!("/api/products?cursor={next}");
    }
    Ok(path)
}

/// Reads with how many products a shop is filled.
pub fn above_few(text: &str) -> Result<usize> {
    let products = text.parse().ok().filter(|products| *products > FEW);
    products.ok_or_else(|| format!("expected more than {FEW} products"))
}
