//! `/api/media` and `/media`: pictures of products.

use std::io::Cursor;

use bytes::Bytes;
use holdfast_client::Answer;
use hyper::Method;
use serde_json::json;

use crate::shop::{Client, Shop, header, problem};

fn picture(width: u32, height: u32) -> Vec<u8> {
    let shade = |x: u32, y: u32| image::Rgb([u8::try_from((x ^ y) % 256).unwrap(), 99, 7]);
    let mut content = Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(width, height, shade);
    picture.write_to(&mut content, image::ImageFormat::Png).unwrap();
    content.into_inner()
}

async fn upload(client: &mut Client, media_type: &str, content: Vec<u8>) -> Answer {
    let bearer = client.token.as_ref().map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", media_type)];
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    let content = Bytes::from(content);
    for _ in 0..40 {
        let body = content.clone();
        let sent = client.connection.send(Method::POST, "/api/media", &headers, body).await;
        // Who sends too much may be cut off before the refusal is read.
        if let Ok(answer) = sent {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the shop did not answer");
}

#[tokio::test]
async fn a_picture_is_put_in_and_shown_for_ever() {
    let mut shop = Shop::start();
    let mut sam = shop.seller("sam").await;
    let content = picture(800, 500);
    let first = upload(&mut sam, "image/png", content.clone()).await;
    let said = first.expect(201).unwrap();
    let url = said["url"].as_str().unwrap().to_owned();
    assert_eq!((&said["width"], &said["height"]), (&json!(800), &json!(500)));
    assert_eq!((&said["type"], &said["bytes"]), (&json!("image/png"), &json!(content.len())));
    assert_eq!(header(&first, "location"), url);
    // Its content says what it is, and the same content is one picture.
    let again = upload(&mut sam, "application/octet-stream", content.clone()).await;
    assert_eq!(again.expect(201).unwrap(), said);

    for mut anybody in shop.doors("products").iter().map(Shop::anybody) {
        let shown = anybody.get(&url).await;
        assert_eq!((shown.status.as_u16(), &shown.body[..]), (200, &content[..]));
        assert_eq!(header(&shown, "content-type"), "image/png");
        assert_eq!(header(&shown, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(header(&shown, "x-content-type-options"), "nosniff");
        let tag = header(&shown, "etag").to_owned();
        let known = anybody.send("GET", &url, &[("if-none-match", &tag)], "").await;
        assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
        let small = anybody.get(said["thumbnailUrl"].as_str().unwrap()).await;
        assert_eq!(header(&small, "content-type"), "image/jpeg");
        let small = image::load_from_memory(&small.body).unwrap();
        assert_eq!((small.width(), small.height()), (400, 250));
    }
    let teapot = json!({"name": "Teapot", "quantity": 1, "price": {"amount": 5, "currency": "EUR"},
        "images": [{"url": url, "alt": "A teapot"}]});
    let teapot = sam.post("/api/products", &teapot).await.expect(201).unwrap();
    assert_eq!(teapot["images"][0]["url"], url);
    shop.kill_and_restart();
    assert_eq!(&shop.anybody().get(&url).await.body[..], &content[..]);
}

#[tokio::test]
async fn what_is_no_picture_of_a_seller_is_refused() {
    let shop = Shop::start();
    let mut sam = shop.seller("sam").await;
    let mut ada = shop.customer("ada").await;
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec();
    let mut half = picture(30, 30);
    half.truncate(60);
    for (media_type, content, expected) in [
        ("image/png", svg.clone(), (415, "unsupported-media-type")),
        ("image/svg+xml", svg, (415, "unsupported-media-type")),
        ("application/json", picture(9, 9), (415, "unsupported-media-type")),
        ("image/png", Vec::new(), (415, "unsupported-media-type")),
        ("image/png", half, (422, "validation")),
        ("image/png", vec![7; (4 << 20) + 1], (413, "content-too-large")),
    ] {
        let refused = upload(&mut sam, media_type, content).await;
        assert_eq!(problem(&refused), (expected.0, expected.1.to_owned()), "{media_type}");
    }
    let refused = upload(&mut ada, "image/png", picture(9, 9)).await;
    assert_eq!(problem(&refused), (403, "forbidden".into()));
    let refused = upload(&mut shop.anybody(), "image/png", picture(9, 9)).await;
    assert_eq!(problem(&refused), (401, "unauthenticated".into()));
    let unknown = format!("{}.png", "a".repeat(64));
    for path in [&unknown, "..%2f..%2fholdfast.db", "thumbnails", &unknown.to_uppercase(), "a.png"]
    {
        let answer = shop.anybody().get(&format!("/media/{path}")).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    for url in ["/media/x.png", "/etc/passwd", "/media/../x", "javascript:alert(1)"] {
        let body = json!({"name": "Teapot", "quantity": 1, "price": {"amount": 5, "currency": "EUR"}, "images": [{"url": url}]});
        let refused = sam.post("/api/products", &body).await;
        assert_eq!(problem(&refused), (422, "validation".into()), "{url}");
    }
}
