//! What letters look like: templates of Jinja, each of which a file of the same name replaces.

use std::{fs, path::Path};

use holdfast_types::{Code, Error, Money, OrderLetter, Result, Timestamp};
use minijinja::{
    AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, context, value::Serde,
};
use serde::Serialize;

use crate::model::LetterKind;

/// Bytes of a file.
const FILE_BYTES: u64 = 1 << 20;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("templates/", $name)))),*]
    };
}

/// Name and text of each.
const BUILT_IN: [(&str, &str); 21] = built_in!(
    "layout.html",
    "macros.html",
    "macros.txt",
    "order_placed.subject.txt",
    "order_placed.txt",
    "order_placed.html",
    "order_paid.subject.txt",
    "order_paid.txt",
    "order_paid.html",
    "order_shipped.subject.txt",
    "order_shipped.txt",
    "order_shipped.html",
    "order_refunded.subject.txt",
    "order_refunded.txt",
    "order_refunded.html",
    "password_reset.subject.txt",
    "password_reset.txt",
    "password_reset.html",
    "email_verification.subject.txt",
    "email_verification.txt",
    "email_verification.html",
);

/// Whose letters they are.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shop {
    pub(crate) name: String,
    /// Where its front is.
    pub(crate) url: String,
}

/// What a template may say.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Said<'a> {
    pub(crate) shop: &'a Shop,
    /// To whom.
    pub(crate) name: Option<String>,
    /// The name to sign in with.
    pub(crate) username: Option<String>,
    pub(crate) order: Option<SaidOrder>,
    /// What goes back.
    pub(crate) refund: Option<Money>,
    /// Where the reader goes on.
    pub(crate) url: Option<String>,
    /// Until when the link is good.
    pub(crate) expires_at: Option<Timestamp>,
}

/// An order, as a template sees it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SaidOrder {
    #[serde(flatten)]
    pub(crate) order: OrderLetter,
    /// Where the reader sees how it stands.
    pub(crate) status_url: String,
}

/// A letter, written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// All templates.
#[derive(Debug)]
pub(crate) struct Templates(Environment<'static>);

impl Templates {
    /// Those that are built in, and those in their place that lie in a folder. Refuses what cannot be written, by file and line.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        environment.add_filter("money", |money: Serde<Money>| money.to_string());
        environment.add_filter("date", |time: String| time.chars().take(10).collect::<String>());
        environment.add_filter("time", |time: String| {
            let minutes: String = time.chars().take(16).collect();
            format!("{} UTC", minutes.replace('T', " "))
        });
        for (name, text) in BUILT_IN {
            let text = match folder {
                Some(folder) => read(folder, name)?.unwrap_or_else(|| text.to_owned()),
                None => text.to_owned(),
            };
            environment.add_template_owned(name, text).map_err(refused)?;
        }
        let templates = Self(environment);
        templates.try_out()?;
        Ok(templates)
    }

    /// Writes each letter, with everything there is to say in it and with as little as can be: what is wrong shows now, and not when
    /// somebody waits.
    fn try_out(&self) -> Result<()> {
        let shop = Shop { name: "Shop".to_owned(), url: "https://shop.example".to_owned() };
        let (order, bare) = (sample(true)?, sample(false)?);
        let at = Some(Timestamp::from_millis(0));
        for (order, word) in [(order, Some("word".to_owned())), (bare, None)] {
            let order = SaidOrder { order, status_url: shop.url.clone() };
            for kind in LetterKind::ALL {
                let is_of_order = kind.class() == "order";
                let is_refund = kind == LetterKind::OrderRefunded;
                let said = Said {
                    shop: &shop,
                    name: word.clone(),
                    username: word.clone().filter(|_| !is_of_order),
                    order: is_of_order.then(|| order.clone()),
                    refund: is_refund.then_some(order.order.total),
                    url: (!is_of_order).then(|| shop.url.clone()),
                    expires_at: at.filter(|_| !is_of_order),
                };
                self.write(kind, &said)?;
            }
        }
        Ok(())
    }

    /// Writes a letter.
    pub(crate) fn write(&self, kind: LetterKind, said: &Said<'_>) -> Result<Written> {
        let name = kind.as_str();
        let render = |ending: &str, said: Value| {
            let template = self.0.get_template(&format!("{name}{ending}")).map_err(refused)?;
            template.render(said).map_err(refused)
        };
        let said = Value::from(Serde(serde_json::to_value(said).map_err(Error::internal)?));
        let subject = render(".subject.txt", said.clone())?;
        let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = context! { subject => subject.as_str(), ..said };
        let (text, html) = (render(".txt", said.clone())?, render(".html", said)?);
        Ok(Written { subject, text: text.trim().to_owned() + "\n", html })
    }
}

/// An order to try templates out with.
fn sample(is_full: bool) -> Result<OrderLetter> {
    let money = serde_json::json!({"amount": 1999, "currency": "EUR"});
    let order = serde_json::json!({
        "number": "7KQ2-M9XD-04TR",
        "user": uuid::Uuid::nil(),
        "items": [{
            "productId": uuid::Uuid::nil(), "sku": "TEA-1", "name": "Tea", "unitPrice": money,
            "quantity": 1, "total": money, "stockSequence": 1,
        }],
        "total": money,
        "returned": if is_full { vec![serde_json::json!({"name": "Tea", "quantity": 1})] } else { Vec::new() },
        "createdAt": "2026-01-01T12:00:00.000Z",
        "name": is_full.then_some("Ada"),
        "carrier": is_full.then_some("Post"),
        "trackingNumber": is_full.then_some("1"),
        "statusToken": "token",
    });
    serde_json::from_value(order).map_err(Error::internal)
}

/// The file that replaces a template, where there is one.
fn read(folder: &Path, name: &str) -> Result<Option<String>> {
    let path = folder.join(name);
    let refuse = |why: String| {
        let why = format!("the template {} cannot be read: {why}", path.display());
        Error::new(Code::InvalidParameter, why)
    };
    match fs::metadata(&path) {
        Ok(file) if file.len() > FILE_BYTES => Err(refuse("it is larger than 1 MiB".to_owned())),
        Ok(_) => fs::read_to_string(&path).map(Some).map_err(|error| refuse(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refuse(error.to_string())),
    }
}

/// Where a template is wrong.
fn refused(error: minijinja::Error) -> Error {
    let name = error.name().unwrap_or("template").to_owned();
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::UndefinedError => "something is named that there is not".to_owned(),
        kind => error.detail().map_or_else(|| kind.to_string(), str::to_owned),
    };
    let why = format!("the template {name}{line} is wrong: {what}");
    Error::new(Code::InvalidParameter, why).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(shop: &Shop) -> Said<'_> {
        let order = SaidOrder { order: sample(true).unwrap(), status_url: "https://s/#/x".into() };
        Said {
            shop,
            name: Some("<Ada & Co>".to_owned()),
            username: Some("ada".to_owned()),
            refund: Some(order.order.total),
            order: Some(order),
            url: Some("https://s/#/reset/t".to_owned()),
            expires_at: Some(Timestamp::from_millis(1_800_000_000_000)),
        }
    }

    #[test]
    fn each_letter_says_what_it_is_about_in_both_forms() {
        let templates = Templates::open(None).unwrap();
        let shop = Shop { name: "Tea & Time".to_owned(), url: "https://s".to_owned() };
        for kind in LetterKind::ALL {
            let Written { subject, text, html } = templates.write(kind, &said(&shop)).unwrap();
            assert!(!subject.is_empty() && !subject.contains('\n'), "{kind:?} {subject}");
            let html = html.replace("&#x2f;", "/");
            let is_of_order = kind.as_str().starts_with("order");
            let wanted = if is_of_order { "7KQ2-M9XD-04TR" } else { "https://s/#/reset/t" };
            assert!(text.contains(wanted) && html.contains(wanted), "{kind:?} {text} {html}");
            assert!(text.contains("Dear <Ada & Co>,"), "{text}");
            assert!(html.contains("Dear &lt;Ada &amp; Co&gt;,"), "{html}");
            assert_eq!(text.contains("19.99 EUR"), is_of_order, "{text}");
        }
        let refunded = templates.write(LetterKind::OrderRefunded, &said(&shop)).unwrap();
        assert!(refunded.text.contains("19.99 EUR of your order"));
    }

    #[test]
    fn a_file_replaces_a_template_and_is_refused_by_file_and_line() {
        let folder = std::env::temp_dir().join(format!("templates-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("order_paid.txt");
        let shop = Shop { name: "Shop".to_owned(), url: "https://s".to_owned() };
        fs::write(&file, "Merci, {{ name }} ! {{ order.total | money }}").unwrap();
        let templates = Templates::open(Some(&folder)).unwrap();
        let paid = templates.write(LetterKind::OrderPaid, &said(&shop)).unwrap();
        assert_eq!(paid.text, "Merci, <Ada & Co> ! 19.99 EUR\n");
        for (wrong, why) in [
            ("a\n{{ order.total", "order_paid.txt, line 2"),
            ("a\n\n{{ order.price.amount }}", "order_paid.txt, line 3"),
            ("{% include 'nothing' %}", "order_paid.txt, line 1"),
        ] {
            fs::write(&file, wrong).unwrap();
            let error = Templates::open(Some(&folder)).unwrap_err();
            assert!(error.message().contains(why), "{error}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
