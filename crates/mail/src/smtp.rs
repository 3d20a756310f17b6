//! The server that takes letters (RFC 5321, submission: RFC 6409).

use std::{fmt, net::IpAddr, time::Duration};

use holdfast_types::{Error, Result};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::Mailbox,
    transport::smtp::{
        self, PoolConfig,
        authentication::Credentials,
        client::{Tls, TlsParameters},
        extension::ClientId,
    },
};
use url::Url;

use crate::model::Outcome;

/// How long a command may take.
const COMMAND_TIME: Duration = Duration::from_secs(20);
/// How long a letter may take, with connecting.
const LETTER_TIME: Duration = Duration::from_secs(40);
/// Connections to the server, and how long one is kept that rests.
pub(crate) const CONNECTIONS: u32 = 8;
const REST: Duration = Duration::from_secs(30);

const EXPECTED: &str =
    "expected an address such as smtps://user:password@host:465 or smtp://host:587";

/// How the way to the server is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Privacy {
    /// TLS from the first byte (RFC 8314, §3.3).
    Tls,
    /// TLS after `STARTTLS`, or nothing (RFC 3207).
    StartTls,
    /// None.
    Plain,
}

/// Where letters go, and from whom they are.
#[derive(Clone)]
pub struct SmtpServer {
    host: String,
    port: u16,
    privacy: Privacy,
    credentials: Option<Credentials>,
    from: Mailbox,
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, privacy, from, .. } = self;
        f.debug_struct("SmtpServer")
            .field("server", &format_args!("{host}:{port}"))
            .field("privacy", privacy)
            .field("from", &from.to_string())
            .finish_non_exhaustive()
    }
}

impl SmtpServer {
    /// Reads `smtps://user:password@host:465`, or `smtp://host:587`: that begins TLS with `STARTTLS`, unless the host is this machine or
    /// `?tls=none` says so, which goes without password only.
    pub fn parse(url: &str, from: Mailbox) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|_| EXPECTED)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(EXPECTED)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_here = match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host == "localhost",
        };
        let privacy = match (url.scheme(), url.query()) {
            ("smtps", None) => Privacy::Tls,
            ("smtp", None) if is_here => Privacy::Plain,
            ("smtp", None | Some("tls=starttls")) => Privacy::StartTls,
            ("smtp", Some("tls=none")) => Privacy::Plain,
            _ => return Err(EXPECTED.to_owned()),
        };
        let usual = if privacy == Privacy::Tls { 465 } else { 587 };
        let decoded = |text: &str| decode(text).ok_or(EXPECTED);
        let credentials = match (decoded(url.username())?, url.password()) {
            (user, None) if user.is_empty() => None,
            (user, password) => {
                Some(Credentials::new(user, decoded(password.unwrap_or_default())?))
            }
        };
        if credentials.is_some() && privacy == Privacy::Plain && !is_here {
            return Err(
                "a password goes over TLS only: smtps://, or smtp:// without tls=none".into()
            );
        }
        Ok(Self { host, port: url.port().unwrap_or(usual), privacy, credentials, from })
    }

    /// Reads `Shop <shop@example.com>`, or the address alone.
    pub fn parse_from(text: &str) -> Result<Mailbox, String> {
        let expected = || "expected an address such as Shop <shop@example.com>".to_owned();
        text.parse().map_err(|_| expected())
    }

    pub(crate) const fn from(&self) -> &Mailbox {
        &self.from
    }

    /// A way to the server: connections come about when they are wanted.
    pub(crate) fn open(&self) -> Result<Smtp> {
        let parameters = || TlsParameters::new(self.host.clone()).map_err(Error::internal);
        let tls = match self.privacy {
            Privacy::Tls => Tls::Wrapper(parameters()?),
            Privacy::StartTls => Tls::Required(parameters()?),
            Privacy::Plain => Tls::None,
        };
        let pool = PoolConfig::new().max_size(CONNECTIONS).idle_timeout(REST);
        let hello = ClientId::Domain(self.from.email.domain().to_owned());
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port)
            .tls(tls)
            .hello_name(hello)
            .timeout(Some(COMMAND_TIME))
            .pool_config(pool);
        let transport = match &self.credentials {
            Some(credentials) => transport.credentials(credentials.clone()),
            None => transport,
        };
        Ok(Smtp(transport.build()))
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Option<String> {
    let query = format!("a={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(query.as_bytes()).next().map(|(_, value)| value.into_owned())
}

/// The way to a server.
pub(crate) struct Smtp(AsyncSmtpTransport<Tokio1Executor>);

impl Smtp {
    /// Hands a letter over. Whoever is cut off, or is not answered, does not know whether the server has it.
    pub(crate) async fn send(&self, letter: Message) -> Outcome {
        match tokio::time::timeout(LETTER_TIME, self.0.send(letter)).await {
            Ok(Ok(_)) => Outcome::Sent,
            Ok(Err(error)) => judge(&error),
            Err(_) => Outcome::Away("the mail server does not answer".to_owned()),
        }
    }
}

fn judge(error: &smtp::Error) -> Outcome {
    let code = error.status().map(u16::from);
    outcome(code, words(error))
}

/// What a code of the server says (RFC 5321, §4.2.3). What is refused before the letter came up says nothing about it.
fn outcome(code: Option<u16>, why: String) -> Outcome {
    match code {
        // It closes, takes no mail, or knows us not.
        Some(421 | 521 | 530..=539) => Outcome::Away(why),
        Some(400..=499) => Outcome::Deferred(why),
        Some(500..=599) => Outcome::Refused(why),
        Some(_) | None => Outcome::Away(why),
    }
}

fn words(error: &smtp::Error) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<SmtpServer, String> {
        SmtpServer::parse(url, SmtpServer::parse_from("Shop <shop@example.com>").unwrap())
    }

    #[test]
    fn an_address_says_how_private_the_way_is() {
        for (url, port, privacy) in [
            ("smtps://user:password@mail.example.com:465", 465, Privacy::Tls),
            ("smtps://mail.example.com", 465, Privacy::Tls),
            ("smtp://user:password@mail.example.com", 587, Privacy::StartTls),
            ("smtp://mail.example.com:25?tls=starttls", 25, Privacy::StartTls),
            ("smtp://relay:25?tls=none", 25, Privacy::Plain),
            ("smtp://user:password@127.0.0.1:1025", 1025, Privacy::Plain),
            ("smtp://[::1]:1025", 1025, Privacy::Plain),
        ] {
            let server = parse(url).unwrap();
            assert_eq!((server.port, server.privacy), (port, privacy), "{url}");
        }
        for wrong in [
            "",
            "mail.example.com",
            "http://a",
            "smtps://",
            "smtps://a?tls=none",
            "smtp://u:p@a?tls=none",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_server_is_shown_without_its_password() {
        let server = parse("smtps://shop%40example.com:s%3Asa+me@mail.example.com").unwrap();
        assert!(!format!("{server:?}").contains("same"));
        let expected = Credentials::new("shop@example.com".to_owned(), "s:sa+me".to_owned());
        assert_eq!(server.credentials, Some(expected));
    }

    #[test]
    fn codes_say_whether_a_letter_will_ever_do() {
        let judged = |code| outcome(Some(code), String::new());
        for code in [550, 553, 554, 501] {
            assert!(matches!(judged(code), Outcome::Refused(_)), "{code}");
        }
        for code in [450, 451, 452] {
            assert!(matches!(judged(code), Outcome::Deferred(_)), "{code}");
        }
        for code in [421, 530, 535] {
            assert!(matches!(judged(code), Outcome::Away(_)), "{code}");
        }
        assert!(matches!(outcome(None, String::new()), Outcome::Away(_)));
    }
}
