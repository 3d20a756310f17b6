//! Parameters as Stripe takes them: a form whose names nest in brackets.

use std::collections::BTreeMap;

use super::refusal::Refusal;

/// What Stripe holds in metadata: keys, characters of a key, characters of a value.
const METADATA_KEYS: usize = 50;
const METADATA_KEY_CHARS: usize = 40;
const METADATA_VALUE_CHARS: usize = 500;

/// Names and values of something.
pub(super) type Metadata = BTreeMap<String, String>;

/// The parameters of one request, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a form or a query.
    pub(super) fn parse(form: &[u8]) -> Self {
        Self(form_urlencoded::parse(form).into_owned().collect())
    }

    /// The same whatever order they came in.
    pub(super) fn sorted(&self) -> Vec<(String, String)> {
        let mut pairs = self.0.clone();
        pairs.sort();
        pairs
    }

    /// Refuses the first whose name, up to its brackets, is none of these; `expand` is always one.
    pub(super) fn allow(&self, names: &[&str]) -> Result<(), Refusal> {
        let root = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
        let unknown = self
            .0
            .iter()
            .map(|(name, _)| root(name))
            .find(|name| name != "expand" && !names.contains(&name.as_str()));
        match unknown {
            Some(name) => Err(Refusal::unknown(&name)),
            None => Ok(()),
        }
    }

    /// The value, unless it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(each, _)| each == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The value, which must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::missing(name))
    }

    /// The value as a whole number.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().map_err(|_| {
            let refusal = Refusal::invalid(name, format!("Invalid integer: {text}"));
            refusal.code("parameter_invalid_integer")
        })?;
        Ok(Some(number))
    }

    /// The value as a number of the currency's least unit, at least one.
    pub(super) fn amount(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let amount = self.integer(name)?;
        if amount.is_some_and(|amount| amount < 1) {
            let message = "This value must be greater than or equal to 1.";
            return Err(Refusal::invalid(name, message).code("parameter_invalid_integer"));
        }
        Ok(amount)
    }

    /// The value as yes or no.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(text) => Err(Refusal::invalid(name, format!("Invalid boolean: {text}"))),
        }
    }

    /// The value, which must be one of these.
    pub(super) fn choice(&self, name: &str, among: &[&str]) -> Result<Option<&str>, Refusal> {
        match self.text(name) {
            Some(text) if !among.contains(&text) => {
                let message = format!("Invalid {name}: must be one of {}", among.join(", "));
                Err(Refusal::invalid(name, message))
            }
            text => Ok(text),
        }
    }

    /// The values of a list: `name[]` or `name[0]`.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let items = self.0.iter().filter(|(each, _)| inner(each, name).is_some());
        items.map(|(_, value)| value.clone()).collect()
    }

    /// Changes metadata as told: an empty value takes its key away, an empty `metadata` all of them.
    pub(super) fn merge_metadata(&self, metadata: &mut Metadata) -> Result<(), Refusal> {
        if self.0.iter().any(|(name, value)| name == "metadata" && value.is_empty()) {
            metadata.clear();
        }
        for (name, value) in &self.0 {
            let Some(key) = inner(name, "metadata") else { continue };
            if value.is_empty() {
                metadata.remove(key);
            } else {
                metadata.insert(key.to_owned(), value.clone());
            }
        }
        let is_too_long = metadata.iter().any(|(key, value)| {
            key.chars().count() > METADATA_KEY_CHARS || value.chars().count() > METADATA_VALUE_CHARS
        });
        if metadata.len() > METADATA_KEYS || is_too_long {
            let message = "Metadata can have up to 50 keys, of up to 40 characters, with values of up to 500.";
            return Err(Refusal::invalid("metadata", message));
        }
        Ok(())
    }

    /// The metadata of something new.
    pub(super) fn metadata(&self) -> Result<Metadata, Refusal> {
        let mut metadata = Metadata::new();
        self.merge_metadata(&mut metadata)?;
        Ok(metadata)
    }
}

/// What stands in the brackets behind a name.
fn inner<'a>(full: &'a str, name: &str) -> Option<&'a str> {
    full.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_merged_and_taken_away() {
        let mut metadata =
            Params::parse(b"metadata[order]=7&metadata%5Bshop%5D=a%20b").metadata().unwrap();
        assert_eq!(metadata["order"], "7");
        assert_eq!(metadata["shop"], "a b");
        Params::parse(b"metadata[order]=").merge_metadata(&mut metadata).unwrap();
        assert_eq!(metadata.keys().collect::<Vec<_>>(), ["shop"]);
        Params::parse(b"metadata=").merge_metadata(&mut metadata).unwrap();
        assert!(metadata.is_empty());
        let long = format!("metadata[a]={}", "x".repeat(501));
        assert!(Params::parse(long.as_bytes()).metadata().is_err());
    }

    #[test]
    fn lists_have_brackets_with_or_without_a_number() {
        let params = Params::parse(b"types[]=card&types[0]=ideal&typesetting=x");
        assert_eq!(params.list("types"), ["card", "ideal"]);
    }
}
