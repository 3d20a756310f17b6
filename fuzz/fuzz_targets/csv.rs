//! CSV files of products, plain and gzipped: every row is read or refused with its line, and none is skipped.

#![no_main]

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use holdfast::fuzzing::products;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let read = products(data.to_vec());
    if data.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(data).expect("memory takes everything");
    let zipped = products(zipped.finish().expect("memory takes everything"));
    match (read, zipped) {
        (Ok(rows), Ok(same)) => {
            assert_eq!(rows, same);
            let lines = rows.iter().map(|row| match row {
                Ok((line, _)) | Err((line, _)) => *line,
            });
            assert!(lines.is_sorted(), "{rows:?}");
            for (_, product) in rows.iter().flatten() {
                assert!(product["name"].is_string() && product["quantity"].is_i64());
            }
        }
        (Err(error), Err(_)) => assert!(error.to_string().contains("the file"), "{error}"),
        (plain, zipped) => panic!("{plain:?}\n{zipped:?}"),
    }
});
