//! Lists: complete in every order under every filter, and bounded.

use std::time::Duration;

use futures_util::future::join_all;
use holdfast_testkit::on_every_engine;

use super::*;
use crate::store::{
    Beginnings, Sort, SortKey,
    listing::{self, ROWS},
    search::search,
};
use holdfast_types::Page;

impl Bench {
    pub(super) async fn list(
        &self,
        filter: &ProductFilter,
        request: &PageRequest,
    ) -> Page<Product> {
        listing::list(&self.store, filter, request).await.unwrap()
    }
}

pub(super) fn as_typed(text: &str) -> Vec<Beginnings> {
    holdfast_types::words(text).into_iter().map(|word| vec![word]).collect()
}

/// What all pages show together, and how many they are.
async fn all_pages(bench: &Bench, filter: &ProductFilter, limit: usize) -> (Vec<ProductId>, usize) {
    let (mut seen, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = bench.list(filter, &PageRequest { limit, after }).await;
        seen.extend(page.items.into_iter().map(|product| product.id));
        (pages, after) = (pages + 1, page.next);
        if after.is_none() {
            return (seen, pages);
        }
    }
}

#[tokio::test]
async fn list_pages_are_complete_in_every_order() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        for number in 0..25 {
            bench.product(&format!("S{number}"), number % 3).await;
            bench
                .fresh
                .clock
                .advance(std::time::Duration::from_millis(u64::try_from(number % 2).unwrap()));
        }
        for key in [SortKey::CreatedAt, SortKey::Name, SortKey::Price] {
            for ascending in [true, false] {
                let filter =
                    ProductFilter { sort: Sort { key, ascending }, ..ProductFilter::default() };
                let seen = all_pages(&bench, &filter, 7).await.0;
                let distinct: std::collections::HashSet<_> = seen.iter().collect();
                assert_eq!((seen.len(), distinct.len()), (25, 25), "{key:?} {ascending}");
            }
        }
        let words =
            |text: &str| ProductFilter { words: as_typed(text), ..ProductFilter::default() };
        let all = PageRequest { limit: 100, after: None };
        for (query, count) in [("green", 25), ("GRE te", 25), ("s24", 1), ("s2", 6), ("kettle", 0)]
        {
            assert_eq!(bench.list(&words(query), &all).await.items.len(), count, "{query}");
        }
        let in_stock = ProductFilter { min_available: Some(1), ..ProductFilter::default() };
        assert_eq!(bench.list(&in_stock, &all).await.items.len(), 16);
        assert_eq!(bench.store.categories().await.unwrap(), [("Tea".to_owned(), 25)]);
    })
    .await;
}

/// More than one request looks at: every tenth is a kettle, three of them of copper; a few have no category; prices go from 1 up.
async fn many(bench: &Bench) -> Vec<Product> {
    let mut products = Vec::new();
    for number in 0..i64::try_from(ROWS).unwrap() + 300 {
        let mut new = bench.new_product(&format!("S{number}"), number % 3);
        let kind = if number % 10 == 0 { "kettle" } else { "teapot" };
        let copper = if number % 800 == 0 { " copper" } else { "" };
        new.details.name = format!("{kind}{copper} {:04}", number * 7919 % 2300);
        let category = if number % 900 == 0 { "Rare" } else { "Usual" };
        new.details.category = (number % 50 != 3).then(|| category.to_owned());
        new.details.price.amount = 1 + number * 31 % 2300;
        bench.fresh.clock.advance(Duration::from_millis(1));
        products.push(new);
    }
    for some in products.chunks(100) {
        for created in join_all(some.iter().map(|new| bench.store.create(new, None))).await {
            created.unwrap();
        }
    }
    products.iter().map(Product::new).collect()
}

/// What the list should show, looked up by hand.
fn expected(products: &[Product], filter: &ProductFilter) -> Vec<ProductId> {
    let price = |product: &Product| product.details.price.amount;
    let passes = |product: &&Product| {
        filter.has_words(product)
            && filter
                .category
                .as_ref()
                .is_none_or(|of| product.details.category.as_ref() == Some(of))
            && filter.currency.is_none_or(|of| product.details.price.currency == of)
            && filter.min_price.is_none_or(|min| price(product) >= min)
            && filter.max_price.is_none_or(|max| price(product) <= max)
            && filter.min_available.is_none_or(|min| product.available() >= min)
            && filter.max_available.is_none_or(|max| product.available() <= max)
    };
    let mut found: Vec<&Product> = products.iter().filter(passes).collect();
    found.sort_by_key(|product| match filter.sort.key {
        SortKey::CreatedAt => (String::new(), product.created_at.as_millis(), product.id),
        SortKey::Name => (fold(&product.details.name), 0, product.id),
        SortKey::Price => (String::new(), price(product), product.id),
    });
    if !filter.sort.ascending {
        found.reverse();
    }
    found.into_iter().map(|product| product.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn walk_ends_early_and_list_by_finds_the_few() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let products = many(&bench).await;
        let words = as_typed;
        let category = |name: &str| Some(name.to_owned());
        let any = ProductFilter::default();
        let currency = |code: &str| Some(code.parse().unwrap());
        let few = [
            ProductFilter { words: words("copper"), ..any.clone() },
            ProductFilter { words: words("kett cop"), category: category("Usual"), ..any.clone() },
            ProductFilter { category: category("Rare"), ..any.clone() },
            ProductFilter { category: category("Nothing"), ..any.clone() },
            ProductFilter { min_price: Some(2_290), currency: currency("USD"), ..any.clone() },
            ProductFilter { max_price: Some(0), ..any.clone() },
        ];
        let many = [
            any.clone(),
            ProductFilter { words: words("t"), ..any.clone() },
            ProductFilter { words: words("kettle"), max_available: Some(0), ..any.clone() },
            ProductFilter { category: category("Usual"), max_price: Some(100), ..any.clone() },
            ProductFilter { currency: currency("EUR"), ..any.clone() },
            ProductFilter { min_available: Some(1), max_available: Some(1), ..any.clone() },
            ProductFilter { min_price: Some(3), min_available: Some(1), ..any.clone() },
        ];
        let orders = [SortKey::CreatedAt, SortKey::Name, SortKey::Price]
            .map(|key| [true, false].map(|ascending| Sort { key, ascending }));
        for sort in orders.into_iter().flatten() {
            let all = few.iter().map(|few| (few, 1)).chain(many.iter().map(|many| (many, 30)));
            for (filter, most_pages) in all {
                let filter = ProductFilter { sort, ..filter.clone() };
                let (seen, pages) = all_pages(&bench, &filter, 100).await;
                let wanted = expected(&products, &filter);
                assert!(seen == wanted, "{filter:?}: {} of {}", seen.len(), wanted.len());
                assert!(pages <= most_pages, "{filter:?}: {pages} pages");
            }
        }
        let nothing = ProductFilter { currency: currency("EUR"), ..any };
        let first = bench.list(&nothing, &PageRequest { limit: 20, after: None }).await;
        assert!(first.items.is_empty() && first.next.is_some(), "the walk ended early");
        let rest = bench.list(&nothing, &PageRequest { limit: 20, after: first.next }).await;
        assert!(rest.items.is_empty() && rest.next.is_none());
    })
    .await;
}

/// The skus that a search finds, on all pages.
async fn searched(bench: &Bench, text: &str) -> Vec<String> {
    let filter = ProductFilter { words: as_typed(text), ..ProductFilter::default() };
    let (mut skus, mut request) = (Vec::new(), PageRequest { limit: 2, after: None });
    loop {
        let found = search(&bench.store, &filter, &request).await.unwrap();
        skus.extend(found.page.items.into_iter().map(|found| found.details.sku.unwrap()));
        request.after = found.page.next;
        if request.after.is_none() {
            return skus;
        }
    }
}

#[tokio::test]
async fn search_finds_what_was_meant_and_pages_are_complete() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        for sku in ["A", "B", "C", "D", "E"] {
            bench.product(sku, 1).await;
            bench.fresh.clock.advance(Duration::from_millis(1));
        }
        let seen = async |text: &str| searched(&bench, text).await;
        assert_eq!(seen("green").await, ["E", "D", "C", "B", "A"]);
        for slip in ["grene", "gren", "greeen", "greem", "geren"] {
            assert_eq!(seen(slip).await.len(), 5, "{slip}");
        }
        assert_eq!(seen("greem b").await, ["B"]);
        assert_eq!(seen("grxxn").await, [""; 0]);
        assert_eq!(seen("greem qqqq").await, [""; 0], "two words are unknown");
    })
    .await;
}
