//! What viewers and linters want of a document beside its types: groups that are explained, a summary of one sentence, a description.

use serde_json::{Map, Value, json};

/// The groups of operations.
pub(super) fn tags() -> Value {
    let tag = |(name, description)| json!({"name": name, "description": description});
    let tags = [
        ("users", "Accounts, guests and sessions; who may do what."),
        ("products", "The catalogue, its stock with a journal, and pictures."),
        ("holds", "Stock that is kept for somebody for a while, before they order."),
        ("orders", "Placing orders, what becomes of them, and what was sold."),
        ("payments", "Money for orders: taken through a provider, and given back."),
        ("events", "What has happened, in one order, to read and to follow."),
        ("keys", "API keys: what programs may do in a user's name."),
        ("mail", "Letters to customers, and what became of each."),
        ("webhooks", "Events delivered to endpoints, and what became of each delivery."),
        ("system", "Whether the shop is well."),
    ];
    tags.map(tag).into_iter().collect()
}

/// Who is behind the API.
pub(super) fn contact() -> Value {
    json!({"name": "Holdfast", "url": env!("CARGO_PKG_REPOSITORY")})
}

/// The first sentence is what an operation is called in lists, which show it as it is; all of them are what it does.
pub(super) fn tell(operation: &mut Map<String, Value>) {
    let told = operation.get("summary").and_then(Value::as_str).unwrap_or_default();
    let text = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let end =
        text.match_indices(". ").map(|(end, _)| end).find(|end| !is_abbreviation(&text[..*end]));
    let first = end.map_or(text.as_str(), |end| &text[..end]);
    operation.insert("summary".to_owned(), json!(first.trim_end_matches('.').replace('`', "")));
    operation.insert("description".to_owned(), json!(text));
}

fn is_abbreviation(before: &str) -> bool {
    ["e.g", "i.e", "etc"].iter().any(|short| before.ends_with(short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_sentence() {
        let mut operation = Map::new();
        operation.insert(
            "summary".to_owned(),
            json!("Sign `in`. Two cannot be\ntold apart (RFC 7517)."),
        );
        tell(&mut operation);
        assert_eq!(operation["summary"], "Sign in");
        assert_eq!(operation["description"], "Sign `in`. Two cannot be told apart (RFC 7517).");
    }
}
