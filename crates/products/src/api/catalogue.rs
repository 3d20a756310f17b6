//! Reading the catalogue.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use holdfast_types::{Currency, Error, Permission, ProductId, ProductKind, Result, words};
use holdfast_web::{
    IdPath, ListPlace, ListTurn, NoQuery, Query, Reply, auth::Caller, bounded_list_reply,
    invalid_parameter, json_reply, not_modified, page_request, with_etag,
};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::wire::{CategoryList, ProductPage, ProductView};
use crate::{
    Products,
    model::{PRICE_MAX, Product, QUANTITY_MAX, Status},
    service::Question,
    store::{ProductFilter, Sort, SortKey, listing, search::search},
};

/// Ids that one request may ask for.
const IDS: usize = 100;
/// Words that one search may have.
const WORDS: usize = 20;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// At most 20 words of letters and digits; each must begin a word of the product.
    #[param(example = "green tea")]
    q: Option<String>,
    category: Option<String>,
    /// Those that are on sale; sellers and administrators may ask for those that were taken off it.
    #[serde(default)]
    #[param(value_type = Option<Status>, default = "active")]
    status: Option<Status>,
    sku: Option<String>,
    /// At most 100 ids with commas between them.
    #[param(
        pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}( *, *[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}){0,99}$"
    )]
    ids: Option<String>,
    #[param(value_type = Option<Currency>, example = "USD")]
    currency: Option<String>,
    /// Minor units; wants `currency`.
    #[param(minimum = 0, maximum = 1_000_000_000_000_i64)]
    min_price: Option<i64>,
    /// Minor units; wants `currency`.
    #[param(minimum = 0, maximum = 1_000_000_000_000_i64)]
    max_price: Option<i64>,
    /// `true`: those of which there is something to order; `false`: those that are sold out.
    in_stock: Option<bool>,
    /// Those of which fewer units can be ordered than this: what runs low, and what is sold out.
    #[param(minimum = 1, maximum = 1_000_000_000)]
    available_below: Option<i64>,
    #[param(inline)]
    sort: Option<SortQuery>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
enum SortQuery {
    #[serde(rename = "-createdAt")]
    NewestFirst,
    #[serde(rename = "createdAt")]
    OldestFirst,
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameDescending,
    #[serde(rename = "price")]
    Price,
    #[serde(rename = "-price")]
    PriceDescending,
    /// The best fit first; wants `q`, and forgives one slip in one word where nothing is found.
    #[serde(rename = "relevance")]
    Relevance,
}

impl From<SortQuery> for Sort {
    fn from(query: SortQuery) -> Self {
        let (key, ascending) = match query {
            // Of what fits alike, the newest.
            SortQuery::NewestFirst | SortQuery::Relevance => (SortKey::CreatedAt, false),
            SortQuery::OldestFirst => (SortKey::CreatedAt, true),
            SortQuery::Name => (SortKey::Name, true),
            SortQuery::NameDescending => (SortKey::Name, false),
            SortQuery::Price => (SortKey::Price, true),
            SortQuery::PriceDescending => (SortKey::Price, false),
        };
        Self { key, ascending }
    }
}

impl ListQuery {
    const fn is_by_relevance(&self) -> bool {
        matches!(self.sort, Some(SortQuery::Relevance))
    }

    fn filter(&self) -> Result<ProductFilter> {
        if (self.min_price.is_some() || self.max_price.is_some()) && self.currency.is_none() {
            return Err(invalid_parameter(
                "currency",
                "expected with minPrice or maxPrice: prices compare within a currency",
            ));
        }
        for (name, price) in [("minPrice", self.min_price), ("maxPrice", self.max_price)] {
            if price.is_some_and(|price| !(0..=PRICE_MAX).contains(&price)) {
                return Err(invalid_parameter(name, "expected 0 to 10^12 minor units"));
            }
        }
        if self.available_below.is_some_and(|below| !(1..=QUANTITY_MAX).contains(&below)) {
            return Err(invalid_parameter("availableBelow", "expected 1 to 10^9 units"));
        }
        let below = self.available_below.map(|below| below - 1);
        let words = words(self.q.as_deref().unwrap_or_default());
        if words.len() > WORDS || (words.is_empty() && self.q.is_some()) {
            return Err(invalid_parameter("q", "expected 1 to 20 words of letters and digits"));
        }
        let currency = self.currency.as_deref().map(str::parse::<Currency>).transpose();
        let mut filter = ProductFilter {
            archived: self.status == Some(Status::Archived),
            words: words.into_iter().map(|word| vec![word]).collect(),
            category: self.category.clone(),
            sku: self.sku.clone(),
            ids: self.ids.as_deref().map(parse_ids).transpose()?,
            currency: currency.map_err(|why| invalid_parameter("currency", why))?,
            min_price: self.min_price,
            max_price: self.max_price,
            min_available: (self.in_stock == Some(true)).then_some(1),
            max_available: least(below, (self.in_stock == Some(false)).then_some(0)),
            sort: self.sort.map_or_else(Sort::default, Sort::from),
            text: String::new(),
        };
        if self.is_by_relevance() && filter.words.is_empty() {
            return Err(invalid_parameter("q", "expected with sort=relevance: what is to be fit"));
        }
        filter.text = format!("products {filter:?} {}", self.is_by_relevance());
        Ok(filter)
    }
}

/// The smaller one of those that are there.
fn least(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

fn parse_ids(text: &str) -> Result<Vec<ProductId>> {
    let ids: Result<Vec<ProductId>, _> = text.split(',').map(|id| id.trim().parse()).collect();
    match ids {
        Ok(ids) if ids.len() <= IDS => Ok(ids),
        _ => Err(invalid_parameter("ids", "expected at most 100 UUIDs with commas between them")),
    }
}

/// The catalogue: filtered, searched, sorted, in pages. A page may be shorter than `limit`, even empty, and still have a
/// `nextCursor`: one request looks at 2,000 products at most.
#[utoipa::path(get, path = "/api/products", tag = "products", params(ListQuery), security((), ("bearer" = [])),
    responses((status = 200, body = ProductPage, description = "A page of products.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_products(
    State(products): State<Products>,
    Query(query): Query<ListQuery>,
    place: ListPlace,
    uri: Uri,
    headers: HeaderMap,
) -> Reply {
    let filter = query.filter()?;
    if filter.archived {
        Caller::required(&headers, &products.verifier())?.require(Permission::ProductsRead)?;
    }
    let is_by_relevance = query.is_by_relevance();
    let request = page_request(query.limit, query.cursor)?;
    let question = Question::Page(uri.query().unwrap_or_default().to_owned());
    let make = async {
        if is_by_relevance {
            let found = search(products.store(), &filter, &request).await?;
            let end = |last: &Product| found.position(&filter, last);
            return Ok(revalidated(bounded_list_reply(&uri, &found.page, ProductView::from, end)?));
        }
        let found = listing::list(products.store(), &filter, &request).await?;
        let end = |last: &Product| filter.position(last);
        let reply = bounded_list_reply(&uri, &found, ProductView::from, end);
        Ok(revalidated(reply?))
    };
    products.kept_list(question, &place, make).await
}

/// The categories, with how many products there are of each.
#[utoipa::path(get, path = "/api/products/categories", tag = "products",
    responses((status = 200, body = CategoryList, description = "The categories by name, the first 10,000 of them.")))]
pub(super) async fn list_categories(
    State(products): State<Products>,
    _: NoQuery,
    _turn: ListTurn,
) -> Reply {
    let found = products.categories().await?;
    let items: Vec<_> =
        found.iter().map(|(name, count)| json!({"name": name, "count": count})).collect();
    Ok(revalidated(json_reply(200, &json!({ "items": items }))?))
}

/// One product; archived ones still answer.
#[utoipa::path(get, path = "/api/products/{id}", tag = "products", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = ProductView<'static>), (status = 304)))]
pub(super) async fn get_product(
    State(products): State<Products>,
    _: NoQuery,
    IdPath(id): IdPath<ProductKind>,
    headers: HeaderMap,
) -> Reply {
    let make = async {
        let product = find(&products, id).await?;
        let response = json_reply(200, &ProductView::from(&*product))?;
        Ok(revalidated(with_etag(response, &product.etag())))
    };
    let whole = products.kept(Question::Product(id), make).await?;
    let etag = whole.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok());
    match etag.filter(|etag| not_modified(&headers, etag)) {
        Some(etag) => Ok(revalidated(with_etag(StatusCode::NOT_MODIFIED.into_response(), etag))),
        None => Ok(whole),
    }
}

pub(super) async fn find(products: &Products, id: ProductId) -> Result<Arc<Product>> {
    products.store().get(id).await?.ok_or_else(|| Error::not_found("product"))
}

/// Caches may keep it, but must ask before each use.
fn revalidated(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
