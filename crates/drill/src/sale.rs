//! A flash sale: many buyers, one product, little stock.

use bytes::Bytes;
use holdfast_client::Connection;
use hyper::Method;
use serde_json::json;

use crate::{
    Result,
    accounts::{Account, sign_in_pool},
    ledger::Lines,
    load::{Behaviour, Purchase},
    replay::{Report, run},
    verdict::Before,
};

/// Puts `stock` units of a new product up for sale and lets `buyers` buy one each.
/// The verdict is that exactly as many were sold as there were, or as were wanted.
pub async fn sale(
    seller: &Account,
    stock: usize,
    buyers: usize,
    accounts: usize,
    behaviour: &Behaviour,
) -> Result<Report> {
    let product = create_product(seller, stock, behaviour).await?;
    let accounts = sign_in_pool(&behaviour.url, accounts).await?;
    let before = Before::look(&behaviour.url, &accounts).await?;
    let lines = Lines::from([(product, 1)]);
    let purchases = (0..buyers).map(|number| Purchase {
        name: format!("buyer-{number}"),
        account: number,
        lines: lines.clone(),
    });
    let mut report = run(purchases.collect(), &accounts, &before, behaviour).await?;
    let sold = report.outcome.ledger.acknowledged.len();
    if sold != stock.min(buyers) {
        report.verdict.wrong.push(format!("{sold} of {stock} units were sold to {buyers} buyers"));
    }
    Ok(report)
}

/// Adds one product and returns its id.
async fn create_product(seller: &Account, stock: usize, behaviour: &Behaviour) -> Result<String> {
    let price = json!({"amount": 4999, "currency": "USD"});
    let body = json!({"name": format!("Drop {}", behaviour.run), "category": "Drill", "price": price, "quantity": stock});
    let authorization = format!("Bearer {}", seller.token);
    let headers = [("authorization", authorization.as_str())];
    let mut connection = Connection::new(&behaviour.url);
    let answer = connection
        .send(Method::POST, "/api/products", &headers, Bytes::from(body.to_string()))
        .await?;
    Ok(answer.expect(201)?["id"].as_str().unwrap_or_default().to_owned())
}
