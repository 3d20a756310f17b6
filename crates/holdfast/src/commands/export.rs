//! `holdfast export`: the catalogue of a running shop as a CSV file that `import` reads.

use std::{fs::File, io::Write, path::Path, process::ExitCode};

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use holdfast_types::{Code, Error, Result};
use holdfast_web::Client;
use serde_json::Value;

use super::{remark, shop::expect};

/// Writes all products on offer, oldest first.
pub(crate) async fn export(file: Option<&Path>, url: &str) -> Result<ExitCode> {
    let output: Box<dyn Write> = match file {
        None => Box::new(std::io::stdout().lock()),
        Some(path) => Box::new(File::create_new(path).map_err(|error| {
            Error::new(Code::InvalidParameter, format!("cannot make {}", path.display()))
                .with_source(error)
        })?),
    };
    let mut writer = csv::Writer::from_writer(output);
    let header = ["sku", "name", "description", "category", "price", "currency", "quantity"];
    writer.write_record(header).map_err(Error::internal)?;
    let client = Client::new(url);
    let mut path = "/api/products?sort=createdAt&limit=100".to_owned();
    let mut count = 0_u64;
    loop {
        let page =
            expect(&client.send(Method::GET, &path, &[], Bytes::new()).await?, StatusCode::OK)?;
        for product in page["items"].as_array().into_iter().flatten() {
            writer.write_record(columns(product)).map_err(Error::internal)?;
            count += 1;
        }
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/api/products?sort=createdAt&limit=100&cursor={cursor}");
    }
    writer.flush().map_err(Error::internal)?;
    remark(&format!("Exported {count} products"));
    Ok(ExitCode::SUCCESS)
}

fn columns(product: &Value) -> [String; 7] {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    [
        text(&product["sku"]),
        text(&product["name"]),
        text(&product["description"]),
        text(&product["category"]),
        product["price"]["amount"].to_string(),
        text(&product["price"]["currency"]),
        product["quantity"].to_string(),
    ]
}
