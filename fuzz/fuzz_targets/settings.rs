//! Settings, from a configuration file and from the environment: what cannot be used is refused with its place, and
//! secrets are not shown.

#![no_main]

use std::{fs, path::PathBuf, sync::OnceLock};

use holdfast::fuzzing::settings;
use holdfast_fuzz::folder;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

const SECRET: &str = "wvu0-tsr1-qpo2";

fn file() -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(folder).path().join("holdfast.toml")
}

fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|byte| *byte == 0);
    let file = file();
    fs::write(&file, parts.next().unwrap_or_default()).expect("there is room");
    let pairs = parts.filter_map(|part| std::str::from_utf8(part).ok()?.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.replace("SECRET", SECRET)));
    match settings(&file, pairs.collect()) {
        Ok(shown) => {
            for (key, value, place) in &shown {
                assert!(!place.is_empty(), "{shown:?}");
                let is_secret = matches!(key.as_str(), "admin_password" | "cluster_secret");
                assert!(!is_secret || !value.contains(SECRET), "{key} is shown: {value}");
            }
        }
        Err(error) => {
            let error = error.to_string();
            let places = ["holdfast.toml", "environment", "default", "go together"];
            assert!(places.iter().any(|place| error.contains(place)), "no place: {error}");
        }
    }
});
