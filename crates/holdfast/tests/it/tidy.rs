//! The house rules that a compiler does not hold.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Rust files below `folder`, with their text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

#[test]
fn files_are_short_and_say_what_they_are() {
    for (path, text) in sources(&root().join("crates")) {
        let lines = text.lines().count();
        assert!(lines <= 420, "{} has {lines} lines", path.display());
        assert!(text.starts_with("//! "), "{} does not say what it is", path.display());
    }
}

#[test]
fn engines_are_named_only_where_they_live() {
    for (path, text) in sources(&root().join("crates")) {
        let place = path.to_string_lossy().replace('\\', "/");
        let allowed = place.contains("crates/storage/")
            || (place.contains("/store/") && !place.contains("crates/users/"))
            || (place.contains("/store.rs") && !place.contains("crates/users/"))
            || place.contains("crates/drill/")
            || place.contains("crates/testkit/")
            || place.contains("/tests/");
        for driver in ["rusqlite", "tokio_postgres", "deadpool_postgres", "mongodb::"] {
            assert!(allowed || !text.contains(driver), "{} names an engine", path.display());
        }
    }
}

#[test]
fn services_do_not_know_each_other_and_models_do_no_io() {
    let crates = root().join("crates");
    for service in ["users", "products", "orders", "payments", "mail", "events"] {
        let manifest = fs::read_to_string(crates.join(service).join("Cargo.toml")).unwrap();
        for other in ["users", "products", "orders", "payments"]
            .into_iter()
            .filter(|other| *other != service)
        {
            assert!(
                !manifest.contains(&format!("holdfast-{other}")),
                "{service} depends on {other}"
            );
        }
        let model = crates.join(service).join("src/model");
        let mut files = if model.is_dir() { sources(&model) } else { Vec::new() };
        let file = crates.join(service).join("src/model.rs");
        files.push((file.clone(), fs::read_to_string(file).unwrap()));
        for (path, text) in files {
            for forbidden in
                ["async fn", ".await", "Clock", "tokio::", "holdfast_web", "holdfast_storage"]
            {
                assert!(!text.contains(forbidden), "{} uses {forbidden}", path.display());
            }
        }
    }
}

/// The names of functions in `text` whose declarations begin with `declaration`.
fn functions<'a>(text: &'a str, declaration: &str) -> Vec<&'a str> {
    let name = |rest: &'a str| rest.split(['(', '<']).next().unwrap_or_default();
    text.split(declaration).skip(1).map(name).collect()
}

/// A test is named after what it is about: `find_knows_names`, `signing_keys_keeps_one_and_public_keys_tells_it`. The longest
/// name counts, so `load_by_sku_…` is not about `load`.
fn is_about(test: &str, method: &str, methods: &[&str]) -> bool {
    let beginnings = test.split("_and_").map(|part| {
        let named = methods.iter().filter(|name| {
            let rest = part.strip_prefix(**name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        });
        named.max_by_key(|name| name.len())
    });
    beginnings.flatten().any(|named| *named == method)
}

#[test]
fn every_store_method_has_its_guarantee_test() {
    for service in ["users", "products", "orders", "payments", "mail", "events"] {
        let source = root().join("crates").join(service).join("src");
        let mut files = sources(&source.join("store"));
        let store = source.join("store.rs");
        files.push((store.clone(), fs::read_to_string(store).unwrap()));
        let (tests, files): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|(path, _)| path.to_string_lossy().contains("/store/guarantees"));
        let of_engine = |path: &Path| {
            let path = path.to_string_lossy();
            ["/sqlite", "/postgres", "/mongo"].iter().any(|engine| path.contains(engine))
        };
        let mut methods = Vec::new();
        for (path, text) in files.iter().filter(|(path, _)| !of_engine(path)) {
            methods.extend(functions(text, "pub(crate) async fn "));
            methods.retain(|method| *method != "open");
            if path.ends_with("statements.rs") {
                methods.extend(functions(text, "\n    async fn "));
            }
        }
        assert!(methods.len() > 5, "{service}: {methods:?}");
        let tests: Vec<&str> =
            tests.iter().flat_map(|(_, text)| functions(text, "\nasync fn ")).collect();
        let untested: Vec<_> = methods
            .iter()
            .filter(|method| !tests.iter().any(|test| is_about(test, method, &methods)))
            .collect();
        assert!(untested.is_empty(), "{service}: no guarantee test is about {untested:?}");
    }
}

const DOCUMENTS: [&str; 15] = [
    "docs/payments.md",
    "docs/mail.md",
    "docs/audit.md",
    "docs/second-factor.md",
    "docs/broker.md",
    "docs/keys.md",
    "docs/webhooks.md",
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/databases.md",
    "docs/performance.md",
    "docs/threat-model.md",
    "docs/topology.md",
];

#[test]
fn documents_name_files_that_exist() {
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for name in text.split('`').skip(1).step_by(2) {
            let looks_like_a_path = name.contains('/')
                && !name.contains([' ', '{', '*', '…', ':', '<', '$'])
                && !name.starts_with('/');
            let in_repository =
                ["crates/", "docs/", "examples/", "deploy/", "fuzz/", "tests/contract", ".ci/"]
                    .iter()
                    .any(|start| name.starts_with(start));
            assert!(
                !(looks_like_a_path && in_repository) || root().join(name).exists(),
                "{document} names `{name}`, which is not there"
            );
        }
    }
}
