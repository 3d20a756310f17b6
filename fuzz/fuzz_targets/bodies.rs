//! Bodies of every request that has one: no answer is a fault of ours, and every refusal is a documented problem.

#![no_main]

use axum::http::Method;
use holdfast_fuzz::stage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let stage = stage();
    let [user, product, order] = &stage.ids;
    let routes = [
        (Method::POST, "/api/users/register".to_owned()),
        (Method::POST, "/api/users/login".to_owned()),
        (Method::POST, "/api/users/refresh".to_owned()),
        (Method::POST, "/api/users/logout".to_owned()),
        (Method::POST, "/api/users/password-reset".to_owned()),
        (Method::PATCH, "/api/users/me".to_owned()),
        (Method::PUT, "/api/users/me/password".to_owned()),
        (Method::POST, "/api/users/me/delete".to_owned()),
        (Method::PATCH, format!("/api/users/{user}")),
        (Method::POST, format!("/api/users/{user}/password-reset")),
        (Method::POST, "/api/products".to_owned()),
        (Method::PUT, format!("/api/products/{product}")),
        (Method::PATCH, format!("/api/products/{product}")),
        (Method::DELETE, format!("/api/products/{product}")),
        (Method::POST, "/api/products/batch".to_owned()),
        (Method::POST, format!("/api/products/{product}/stock")),
        (Method::POST, "/api/orders".to_owned()),
        (Method::POST, format!("/api/orders/{order}/cancel")),
        (Method::POST, format!("/api/orders/{order}/pay")),
        (Method::POST, format!("/api/orders/{order}/ship")),
        (Method::POST, format!("/api/orders/{order}/deliver")),
    ];
    let (method, path) = routes[usize::from(*choice) % routes.len()].clone();
    let _ = stage.call(method, &path, stage.filled(body));
});
