//! Rules about text. Comparisons that must be equal on every storage engine: computed here once, stored, and only compared there.

use std::collections::{BTreeMap, HashSet};

use utoipa::openapi::{
    Type,
    schema::{AdditionalProperties, Object, ObjectBuilder, SchemaFormat, SchemaType},
};

/// Pairs of metadata at most.
pub const METADATA_PAIRS: usize = 50;

/// Folds case, so that names which differ only in case are equal.
#[must_use]
pub fn fold(text: &str) -> String {
    // Through capitals and back: a lone lower-casing would tell ß from ss, and σ from ς.
    text.chars()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// Characters of a word that a search looks at. Engines have limits of their own, and nobody searches for more.
const WORD_CHARS: usize = 64;

/// The words that a search matches: runs of letters and digits, folded, in order of appearance, each once.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let (mut words, mut seen) = (Vec::new(), HashSet::new());
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word: String = fold(word).chars().take(WORD_CHARS).collect();
        if seen.insert(word.clone()) {
            words.push(word);
        }
    }
    words
}

/// One line of text: 1 to `limit` characters, not all of them blank, no control characters.
pub fn check_line(text: &str, limit: usize) -> Result<(), String> {
    let fits = (1..=limit).contains(&text.chars().count());
    match fits && !text.chars().any(char::is_control) && !text.trim().is_empty() {
        true => Ok(()),
        false => Err(format!("expected 1 to {limit} characters without control characters")),
    }
}

/// Text of several lines: at most `limit` characters; line breaks and tabs are the only control characters.
pub fn check_prose(text: &str, limit: usize) -> Result<(), String> {
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    match text.chars().count() <= limit && text.chars().all(plain) {
        true => Ok(()),
        false => Err(format!(
            "expected at most {limit} characters without control characters other than line breaks and tabs"
        )),
    }
}

/// Free pairs that a client keeps with a resource: at most 50, names of 1 to 40 and values of at most 500 characters.
pub fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), String> {
    match metadata.len() <= METADATA_PAIRS
        && metadata.iter().all(|(name, value)| is_pair(name, value))
    {
        true => Ok(()),
        false => Err(format!(
            "expected at most {METADATA_PAIRS} pairs, names of 1 to 40 and values of at most 500 characters"
        )),
    }
}

/// How [`check_metadata`] looks to readers of the API.
#[must_use]
pub fn metadata_schema() -> Object {
    pairs_schema(SchemaType::new(Type::String))
}

/// The same for a merge patch, in which `null` removes a pair.
#[must_use]
pub fn metadata_patch_schema() -> Object {
    pairs_schema(SchemaType::from_iter([Type::String, Type::Null]))
}

fn pairs_schema(value: SchemaType) -> Object {
    let text = |kind, format: &str, limit| {
        let format = SchemaFormat::Custom(format.to_owned());
        ObjectBuilder::new().schema_type(kind).format(Some(format)).max_length(Some(limit))
    };
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .description(Some(
            "At most 50 pairs, names of 1 to 40 and values of at most 500 characters.",
        ))
        .max_properties(Some(METADATA_PAIRS))
        .property_names(Some(text(SchemaType::new(Type::String), "line", 40).min_length(Some(1))))
        .additional_properties(Some(AdditionalProperties::RefOr(text(value, "prose", 500).into())))
        .build()
}

/// Whether a pair of metadata fits.
#[must_use]
pub fn is_pair(name: &str, value: &str) -> bool {
    check_line(name, 40).is_ok() && check_prose(value, 500).is_ok()
}

/// Something, one `@`, something; no spaces; at most 254 characters (RFC 5321 §4.5.3.1.3, less the angle brackets).
pub fn check_email(text: &str) -> Result<(), String> {
    let plain =
        !text.chars().any(|c| c.is_whitespace() || c.is_control()) && text.chars().count() <= 254;
    match text.split_once('@') {
        Some((local, domain))
            if plain && !local.is_empty() && !domain.is_empty() && !domain.contains('@') =>
        {
            Ok(())
        }
        _ => Err("expected an e-mail address such as ada@example.com".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_beyond_ascii() {
        for (one, other) in [
            ("ADA", "ada"),
            ("ΣΑΣ", "σας"),
            ("straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("Żółć", "żÓŁĆ"),
        ] {
            assert_eq!(fold(one), fold(other));
        }
        assert_eq!(words("Green-Tea, green 100g!"), ["green", "tea", "100g"]);
    }
}
