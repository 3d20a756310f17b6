//! The README's quick start, word for word.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// The lines of the shell blocks below `heading`, up to the next heading of its kind.
fn commands_below(readme: &str, heading: &str) -> String {
    let section = readme
        .split(&format!("\n## {heading}\n"))
        .nth(1)
        .unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n## ").next().unwrap_or(section);
    section.split("```sh\n").skip(1).filter_map(|block| block.split("```").next()).collect()
}

#[test]
fn the_quick_start_works_word_for_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let commands = commands_below(&readme, "Quick start");
    let folder = tempfile::tempdir().unwrap();
    // The one thing that differs: the program is built already, so `cargo run` becomes the program.
    let program = env!("CARGO_BIN_EXE_holdfast");
    let commands = commands
        .replace("cargo run --release --bin holdfast --", program)
        .replace("cargo run --release &", &format!("{program} &"));
    assert!(commands.contains("curl") && commands.contains(program), "{commands}");
    std::fs::create_dir(folder.path().join("examples")).unwrap();
    std::fs::copy(root.join("examples/teashop.csv"), folder.path().join("examples/teashop.csv"))
        .unwrap();
    let script = format!("set -eu\ntrap 'kill %1 2>/dev/null || true' EXIT\nset -m\n{commands}");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{commands}\n--- out\n{out}\n--- err\n{err}");
    for part in [
        "holds fast on",
        "created, 0 updated, 0 refused",
        "\"status\":\"placed\"",
        "Clean: nothing is oversold",
    ] {
        assert!(out.contains(part), "{part} is missing:\n{out}\n--- err\n{err}");
    }
}
