//! Whether a large catalogue is as quick to read as a small one.

use bytes::Bytes;
use holdfast_testkit::Engine;
use hyper::Method;

use super::{Basket, Figures, Plan, ROUNDS, Shop, Stand, Target, Unit, product_path, read_rate};
use crate::{Result, connection::Connection};

/// Pages that are turned to find a deep one.
const DEEP: usize = 1_000;

/// Fills a shop with `count` products, and reads it in turn with `small`.
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
    let places = [places(small).await?, places(&large).await?];
    for _ in 0..ROUNDS {
        for (size, shop, places) in
            [(plan.products, &mut *small, &places[0]), (count, &mut large, &places[1])]
        {
            for (what, path) in places {
                let rate = read_rate(&shop.url, path, plan.clients, plan.time).await?;
                figures.note(&name(what, size), Unit::PerSecond, rate);
            }
            // What is kept of a list is of no use while orders come in.
            let (url, half) = (shop.url.clone(), plan.clients.div_ceil(2));
            let all = Basket { products: shop.products.len(), is_full: false };
            let (lists, orders) = tokio::join!(
                read_rate(&url, &places[1].1, half, plan.time),
                shop.orders(all, half, plan.time),
            );
            figures.note(&name(LISTS_UNDER_ORDERS, size), Unit::PerSecond, lists?);
            figures.note(&name(ORDERS_UNDER_LISTS, size), Unit::PerSecond, orders?.per_second);
        }
    }
    let whats = places[0].iter().map(|(what, _)| *what);
    for what in whats.chain([LISTS_UNDER_ORDERS, ORDERS_UNDER_LISTS]) {
        let of = name(what, plan.products);
        figures.hold(&name(what, count), Some(&of), Some(Target::AtLeast(0.8)));
    }
    Ok(())
}

const LISTS_UNDER_ORDERS: &str = "a list while orders come in";
const ORDERS_UNDER_LISTS: &str = "orders while lists are read";

fn name(what: &str, size: usize) -> String {
    format!("{what}, {size} products")
}

/// What is read, and where it is.
async fn places(shop: &Shop) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("product", product_path(shop)),
        ("list of 20", "/api/products".to_owned()),
        ("search for what most have", "/api/products?q=green%20hills".to_owned()),
        ("search for what few have", "/api/products?q=999".to_owned()),
        ("page 1,000, or the last", deep_page(&shop.url).await?),
    ])
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
