//! Pictures: put in by sellers, shown to everybody.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use holdfast_media::{Format, Name, PICTURE_BYTES, Picture, Size};
use holdfast_types::{Error, named_id};
use holdfast_web::{
    Input, NoQuery, Reply,
    auth::{May, PRODUCTS_WRITE},
    created, not_modified, with_etag,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Products;

/// Where they are put in; and how large they may be.
pub(super) const PATH: &str = "/api/media";
pub(super) const BYTES: usize = PICTURE_BYTES;

/// What may stand as the type of a picture; what it is, its content says.
const TYPES: [&str; 5] =
    ["image/jpeg", "image/png", "image/webp", "image/gif", "application/octet-stream"];

/// The bytes of a picture.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes pictures to readers of the API")]
pub(super) struct PictureContent(Vec<u8>);

/// A picture that is kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Picture)]
pub(super) struct PictureView {
    /// Where it is, for the `images` of a product. The same content is always at the same place.
    #[schema(
        example = "/media/2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae.jpg"
    )]
    url: String,
    /// The same in small: at most 400 pixels on a side.
    thumbnail_url: String,
    /// The media type.
    #[schema(example = "image/jpeg")]
    r#type: &'static str,
    bytes: usize,
    /// In pixels, as it is shown.
    width: u32,
    /// In pixels, as it is shown.
    height: u32,
}

impl From<&Picture> for PictureView {
    fn from(picture: &Picture) -> Self {
        let Picture { name, width, height, .. } = *picture;
        Self {
            url: format!("/media/{name}"),
            thumbnail_url: format!("/media/thumbnails/{name}"),
            r#type: name.format.media_type(),
            bytes: picture.content.len(),
            width,
            height,
        }
    }
}

/// Put in a picture, which everybody may see then: JPEG, PNG, WebP or GIF of at most 4 MiB and 25 million pixels, as the whole body. What it is, its content says; what cameras write beside it, such as where it was taken, is taken out.
/// A repeat has the same effect and the same answer, without a key.
#[utoipa::path(post, path = "/api/media", tag = "products", security(("bearer" = [])),
    request_body(content = PictureContent, content_type = "application/octet-stream"),
    responses((status = 201, body = PictureView)),
    extensions(("x-problems" = json!(["forbidden", "unsupported-media-type"]))))]
pub(super) async fn upload_picture(
    State(products): State<Products>,
    May(caller): May<PRODUCTS_WRITE>,
    _: NoQuery,
    mut input: Input,
) -> Reply {
    let content = input.body_of(BYTES, &TYPES).await?;
    let picture = products.keep_picture(caller.user, content).await?;
    let name = picture.name.to_string();
    let act = caller.does("upload_picture", named_id("picture", &name));
    let operation = input.keyless_operation(products.secret(), &act, name.as_bytes())?;
    products.store().note_audit(&operation, products.now()).await?;
    let view = PictureView::from(&picture);
    created(&view.url, &etag(picture.name), &view)
}

/// A picture. It may be kept for ever: another content has another name.
#[utoipa::path(get, path = "/media/{name}", tag = "products", params(("name" = String, Path)),
    responses((status = 200, content_type = "image/*", body = PictureContent), (status = 304)),
    extensions(("x-problems" = json!(["not-found"]))))]
pub(super) async fn show_picture(
    State(products): State<Products>,
    Path(name): Path<String>,
    _: NoQuery,
    headers: HeaderMap,
) -> Reply {
    show(&products, Size::Whole, &name, &headers).await
}

/// The same in small: at most 400 pixels on a side.
#[utoipa::path(get, path = "/media/thumbnails/{name}", tag = "products", params(("name" = String, Path)),
    responses((status = 200, content_type = "image/*", body = PictureContent), (status = 304)),
    extensions(("x-problems" = json!(["not-found"]))))]
pub(super) async fn show_thumbnail(
    State(products): State<Products>,
    Path(name): Path<String>,
    _: NoQuery,
    headers: HeaderMap,
) -> Reply {
    show(&products, Size::Thumbnail, &name, &headers).await
}

async fn show(products: &Products, size: Size, name: &str, headers: &HeaderMap) -> Reply {
    let name: Name = name.parse().map_err(|()| Error::not_found("picture"))?;
    let etag = etag(name);
    // Whoever has the tag has the content: there is no other under that name.
    if not_modified(headers, &etag) && products.media().is_there(size, name).await? {
        return Ok(kept_for_ever(StatusCode::NOT_MODIFIED.into_response(), &etag));
    }
    let content = products.media().find(size, name).await?;
    let content = content.ok_or_else(|| Error::not_found("picture"))?;
    let media_type = Format::of(&content).unwrap_or(name.format).media_type();
    let mut response = Response::new(Body::from(content));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    Ok(kept_for_ever(response, &etag))
}

fn etag(name: Name) -> String {
    format!("\"{name}\"")
}

fn kept_for_ever(mut response: Response, etag: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox"),
    );
    with_etag(response, etag)
}

/// Whether an address leads to a picture of this shop.
pub(super) fn is_own(url: &str) -> bool {
    url.strip_prefix("/media/").is_some_and(|name| name.parse::<Name>().is_ok())
}
