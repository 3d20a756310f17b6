//! How well a product fits what somebody looks for, and what they may have meant.

use std::{cell::LazyCell, collections::BTreeSet};

use holdfast_types::words;

use super::Product;

/// Shorter words are taken as they are: too many others are one letter away.
const SHORTEST: usize = 4;
/// Longer words have too many neighbours to look for.
const LONGEST: usize = 20;

/// What a word is worth where it stands.
const WHOLE_WORD_OF_NAME: u32 = 8;
const BEGINNING_IN_NAME: u32 = 6;
const FIRST_WORD: u32 = 1;
const IN_CATEGORY_OR_SKU: u32 = 3;
const IN_DESCRIPTION: u32 = 1;

impl Product {
    /// How well it fits: each word counts by the best place in which it stands. Of `wanted`, each is a list of beginnings.
    pub(crate) fn relevance(&self, wanted: &[Vec<String>]) -> u32 {
        let details = &self.details;
        let of = |text: Option<&String>| text.map(|text| words(text)).unwrap_or_default();
        let name = of(Some(&details.name));
        let labels = [of(details.category.as_ref()), of(details.sku.as_ref())].concat();
        // Long, and seldom needed.
        let description = LazyCell::new(|| of(details.description.as_ref()));
        let begins = |words: &[String], word: &String| words.iter().any(|w| w.starts_with(word));
        let worth = |word: &String| {
            let is_first = name.first().is_some_and(|first| first.starts_with(word));
            let first = if is_first { FIRST_WORD } else { 0 };
            match () {
                () if name.contains(word) => WHOLE_WORD_OF_NAME + first,
                () if begins(&name, word) => BEGINNING_IN_NAME + first,
                () if begins(&labels, word) => IN_CATEGORY_OR_SKU,
                () => 0,
            }
        };
        let in_description =
            |any: &Vec<String>| match any.iter().any(|word| begins(&description, word)) {
                true => IN_DESCRIPTION,
                false => 0,
            };
        let best = |any: &Vec<String>| match any.iter().map(worth).max().unwrap_or(0) {
            0 => in_description(any),
            worth => worth,
        };
        wanted.iter().map(best).sum()
    }
}

/// Every word that is one slip away (Damerau 1964): a letter too many, too few, another one, or two in each other's place.
/// Nothing of a word that has digits: a number that is another is another.
pub(crate) fn one_slip_away(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let is_known = letters.iter().all(|letter| letter.is_alphabetic());
    if !is_known || !(SHORTEST..=LONGEST).contains(&letters.len()) {
        return Vec::new();
    }
    // The alphabet of most shops, and what the word itself is written in.
    let alphabet: BTreeSet<char> = ('a'..='z').chain(letters.iter().copied()).collect();
    let mut found = BTreeSet::new();
    for place in 0..=letters.len() {
        let (before, after) = letters.split_at(place);
        let mut add = |middle: &[char], after: &[char]| {
            found.insert([before, middle, after].concat().into_iter().collect::<String>());
        };
        alphabet.iter().for_each(|letter| add(&[*letter], after));
        if let [first, rest @ ..] = after {
            add(&[], rest);
            alphabet.iter().for_each(|letter| add(&[*letter], rest));
            if let [second, rest @ ..] = rest {
                add(&[*second, *first], rest);
            }
        }
    }
    found.remove(word);
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_all_kinds_are_found() {
        for typed in ["sench", "senncha", "sancha", "esncha", "sencah", "senchaa"] {
            assert!(one_slip_away(typed).contains(&"sencha".to_owned()), "{typed}");
        }
        for typed in ["snch", "sencha", "ahcnes"] {
            assert!(!one_slip_away(typed).contains(&"sencha".to_owned()), "{typed}");
        }
        for as_it_is in ["tea", "k4tana", "12345", &"a".repeat(21)] {
            assert!(one_slip_away(as_it_is).is_empty(), "{as_it_is}");
        }
        assert!(
            one_slip_away("żołc").contains(&"żołć".to_owned())
                || one_slip_away("żołł").contains(&"żoł".to_owned())
        );
        assert!(one_slip_away(&"ab".repeat(10)).len() < 1_200);
    }
}
