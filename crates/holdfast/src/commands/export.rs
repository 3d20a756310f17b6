//! `holdfast export`: the catalogue of a running shop as a CSV file that `import` reads.

use std::{fs::File, io::Write, path::Path, process::ExitCode};

use holdfast_client::{Product, Shop};
use holdfast_types::{Code, Error, Result};

use super::remark;

/// Writes all products on offer, oldest first.
pub(crate) async fn export(
    file: Option<&Path>,
    url: &str,
    key: Option<String>,
) -> Result<ExitCode> {
    let mut shop = match key {
        Some(key) => Shop::with_key(url, &key).await?,
        None => Shop::anybody(url),
    };
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
    let mut products = shop.list::<Product>("/api/products?sort=createdAt");
    let mut count = 0_u64;
    while let Some(product) = products.next().await? {
        writer.write_record(columns(product)).map_err(Error::internal)?;
        count += 1;
    }
    writer.flush().map_err(Error::internal)?;
    remark(&format!("Exported {count} products"));
    Ok(ExitCode::SUCCESS)
}

fn columns(product: Product) -> [String; 7] {
    [
        product.sku.unwrap_or_default(),
        product.name,
        product.description.unwrap_or_default(),
        product.category.unwrap_or_default(),
        product.price.amount.to_string(),
        product.price.currency.as_str().to_owned(),
        product.stock.quantity.to_string(),
    ]
}
