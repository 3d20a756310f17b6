//! Addresses that may be asked, as far as can be told before they are resolved.

use std::{fmt, net::IpAddr, str::FromStr};

use url::{Host, Url};

use crate::is_global;

/// Bytes of an address.
const URL_BYTES: usize = 2048;

/// Which addresses may be asked.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Whether without TLS too.
    pub allows_http: bool,
    /// Who may be reached wherever they are, without TLS too.
    pub allowed_hosts: Vec<HostPort>,
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// In lower case; an address of IPv6 without brackets.
    host: String,
    port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected HOST:PORT, found `{text}`");
        let url = Url::parse(&format!("wss://{text}/")).map_err(|_| expected())?;
        // That of the scheme is left out by whoever writes it down.
        let has_port = text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let place = Self::of(&url).filter(|_| has_port && is_bare && !has_credentials(&url));
        place.ok_or_else(expected)
    }
}

impl HostPort {
    fn of(url: &Url) -> Option<Self> {
        let host = match url.host()? {
            Host::Domain(name) => name.trim_end_matches('.').to_ascii_lowercase(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Some(Self { host, port: url.port_or_known_default()? })
    }
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// An address that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: Url,
    place: HostPort,
    is_allowed_anywhere: bool,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl Policy {
    /// Reads an address (WHATWG URL). Refuses what is not `https`, what holds credentials or a fragment, and hosts that are
    /// plainly not of the world, however they are written.
    pub fn check(&self, text: &str) -> Result<Target, String> {
        if text.len() > URL_BYTES {
            return Err(format!("expected {URL_BYTES} bytes at most"));
        }
        let url = Url::parse(text)
            .map_err(|_| "expected an address such as https://example.com/hooks".to_owned())?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err("expected an address that begins with https://".to_owned());
        }
        if has_credentials(&url) {
            return Err("an address holds no name and no password".to_owned());
        }
        if url.fragment().is_some() {
            return Err("an address holds no fragment".to_owned());
        }
        let place = HostPort::of(&url).filter(|place| !place.host.is_empty() && place.port != 0);
        let place = place.ok_or("expected an address that names a host")?;
        let is_allowed_anywhere = self.allowed_hosts.contains(&place);
        if !is_allowed_anywhere {
            if url.scheme() != "https" && !self.allows_http {
                return Err("expected an address that begins with https://".to_owned());
            }
            let is_behind = match url.host() {
                Some(Host::Ipv4(address)) => !is_global(address.into()),
                Some(Host::Ipv6(address)) => !is_global(address.into()),
                // RFC 6761, §6.3.
                _ => place.host == "localhost" || place.host.ends_with(".localhost"),
            };
            if is_behind {
                return Err(not_of_the_world(&place.host));
            }
        }
        Ok(Target { url, place, is_allowed_anywhere })
    }
}

/// The refusal of a host that is in the shop's own network.
pub(crate) fn not_of_the_world(host: &str) -> String {
    format!("{host} is not an address of the public internet, so it is not asked")
}

impl Target {
    /// Whether that address, to which its name resolves, may be asked.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        self.is_allowed_anywhere || is_global(address)
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// An address of IPv6 is without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.place.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.place.port
    }

    /// As if nobody had allowed it.
    #[cfg(test)]
    pub(crate) const fn forget_permission(&mut self) {
        self.is_allowed_anywhere = false;
    }

    /// As the header `Host` has it.
    pub(crate) fn authority(&self) -> &str {
        self.url.authority()
    }

    pub(crate) fn path_and_query(&self) -> &str {
        &self.url[url::Position::BeforePath..url::Position::AfterQuery]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_https_and_of_the_world() {
        let policy = Policy::default();
        for good in
            ["https://example.com/hooks?shop=1", "https://example.com:8443", "https://1.1.1.1/"]
        {
            assert!(policy.check(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "example.com",
            "http://example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://user@example.com/",
            "https://user:word@example.com/",
            "https://example.com/#top",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://shop.localhost/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://0/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://[fd00::1]/",
            "https://%31%32%37.0.0.1/",
            "https://①②⑦.0.0.1/",
            "https://example.com:0/",
            "https:///",
            "gopher://example.com/",
        ];
        for bad in bad {
            assert!(policy.check(bad).is_err(), "{bad}");
        }
        assert!(policy.check(&format!("https://example.com/{}", "x".repeat(2048))).is_err());
    }

    #[test]
    fn hosts_may_be_allowed_by_name_and_port() {
        let allowed_hosts =
            vec!["Intranet.example:8080".parse().unwrap(), "[::1]:90".parse().unwrap()];
        let policy = Policy { allowed_hosts, allows_http: false };
        assert!(policy.check("http://intranet.example:8080/x").is_ok());
        assert!(policy.check("https://intranet.example:8080/x").is_ok());
        assert!(policy.check("http://[::1]:90/").is_ok());
        assert!(policy.check("http://intranet.example:8081/").is_err(), "another port");
        assert!(policy.check("http://[::1]/").is_err());
        let http = Policy { allows_http: true, ..Policy::default() };
        assert!(http.check("http://example.com/").is_ok());
        assert!(http.check("http://127.0.0.1/").is_err());
        for wrong in ["intranet", "intranet:", ":80", "a:b", "a:80/x", "u@a:80", "a:99999"] {
            assert!(wrong.parse::<HostPort>().is_err(), "{wrong}");
        }
        assert!("a:443".parse::<HostPort>().is_ok(), "also the port that is usual");
    }

    #[test]
    fn a_request_names_what_was_asked_for() {
        let target = Policy::default().check("https://Example.com:8443/a%20b?c=d").unwrap();
        assert_eq!(target.authority(), "example.com:8443");
        assert_eq!((target.path_and_query(), target.port()), ("/a%20b?c=d", 8443));
        let target = Policy::default().check("https://example.com").unwrap();
        assert_eq!((target.authority(), target.path_and_query()), ("example.com", "/"));
    }
}
