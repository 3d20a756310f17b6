//! The screens of a shop: the console, a demo storefront, and the description of the API. They are built from `ui/` into `dist/`, which is committed, so that
//! who builds the program needs no Node; they talk to the public API alone.

mod accept;
mod file;

use axum::{
    Router,
    extract::{Path, rejection::PathRejection},
    http::HeaderMap,
    routing::get,
};
use holdfast_types::{Code, Error};
use holdfast_web::{NoQuery, Reply};

use file::FILES;

/// Where the console is.
pub const CONSOLE: &str = "/console";
/// Where the demo storefront is.
pub const STOREFRONT: &str = "/shop";

/// Where the API is described.
pub const DOCS: &str = "/docs";

/// The pages, and the files that they load.
pub fn routes() -> Router {
    let page = |name: &'static str| {
        get(move |_: NoQuery, headers: HeaderMap| async move { serve(name, &headers) })
    };
    Router::new()
        .route(CONSOLE, page("console.html"))
        .route(STOREFRONT, page("shop.html"))
        .route(DOCS, page("docs.html"))
        .route("/assets/{name}", get(send_file))
}

async fn send_file(
    name: Result<Path<String>, PathRejection>,
    _: NoQuery,
    headers: HeaderMap,
) -> Reply {
    let name = name.map_or_else(|_| String::new(), |Path(name)| name);
    serve(&name, &headers)
}

fn serve(name: &str, headers: &HeaderMap) -> Reply {
    let file = FILES.iter().find(|file| file.name == name);
    let file = file.ok_or_else(|| Error::new(Code::NotFound, "the screens have no such file"))?;
    Ok(file.answer(headers))
}
