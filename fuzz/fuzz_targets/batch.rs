//! Batches from another process of the shop: even that is not believed to be well-formed.

#![no_main]

use holdfast_fuzz::stage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let path = ["reserve", "stock-actions", "confirm"][usize::from(*choice) % 3];
    let stage = stage();
    let _ = stage.call_as_peer(&format!("/internal/products/{path}"), stage.filled(body));
});
