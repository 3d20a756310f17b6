//! Values of settings, from text.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use holdfast_events::Schedule;
use holdfast_outbound::HostPort;
use holdfast_types::Role;
use holdfast_web::rate::Quota;

/// "on" or "off".
pub(super) fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("expected on or off".to_owned()),
    }
}

/// "30m", "90s", "1h 30m".
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration such as 30m, 90s or 1h".to_owned();
    let duration: jiff::SignedDuration = text.parse().map_err(|_| expected())?;
    Duration::try_from(duration).ok().filter(|duration| !duration.is_zero()).ok_or_else(expected)
}

/// The same, or nothing.
pub(super) fn parse_optional_duration(text: &str) -> Result<Option<Duration>, String> {
    if text.is_empty() { Ok(None) } else { parse_duration(text).map(Some) }
}

/// The same, from a second to an hour.
pub(super) fn parse_hold_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    match (1..=60 * 60).contains(&time.as_secs()) {
        true => Ok(time),
        false => Err("expected a second to an hour, such as 5m".to_owned()),
    }
}

/// "0s, 5s, 5m".
pub(super) fn parse_schedule(text: &str) -> Result<Schedule, String> {
    let parse = |part: String| {
        let expected = || format!("expected durations such as 0s, 5s, 5m, found `{part}`");
        let duration: jiff::SignedDuration = part.parse().map_err(|_| expected())?;
        Duration::try_from(duration).map_err(|_| expected())
    };
    Schedule::new(parse_list(text).into_iter().map(parse).collect::<Result<_, _>>()?)
}

/// "intranet:8080".
pub(super) fn parse_hosts(text: &str) -> Result<Vec<HostPort>, String> {
    parse_list(text).iter().map(|part| part.parse()).collect()
}

/// "600/1m".
pub(super) fn parse_quota(text: &str) -> Result<Quota, String> {
    let expected = || "expected requests per period, such as 600/1m".to_owned();
    let (requests, period) = text.split_once('/').ok_or_else(expected)?;
    let requests =
        requests.trim().parse().ok().filter(|requests| *requests > 0).ok_or_else(expected)?;
    Ok(Quota { requests, period: parse_duration(period.trim()).map_err(|_| expected())? })
}

/// "64MiB", "512KiB".
pub(super) fn parse_bytes(text: &str) -> Result<usize, String> {
    let expected = || "expected bytes, such as 64MiB, 512KiB or 20GiB".to_owned();
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let found = units.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, unit) = found.ok_or_else(expected)?;
    let number: usize = number.trim().parse().map_err(|_| expected())?;
    number.checked_mul(unit).filter(|bytes| *bytes > 0).ok_or_else(expected)
}

/// A number above zero.
pub(super) fn parse_count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "expected a number above zero".to_owned())
}

/// Parts between commas.
fn parse_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// An address to listen on, or nothing.
pub(super) fn parse_listen(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let expected = |_| "expected an address and a port, such as 127.0.0.1:9090".to_owned();
    text.parse().map(Some).map_err(expected)
}

/// `host:port` or `http://host:port`, with commas between them.
pub(super) fn parse_targets(text: &str, is_tls: bool) -> Result<Vec<String>, String> {
    let scheme = if is_tls { "https://" } else { "http://" };
    let parse = |part: String| {
        let target = part.strip_prefix(scheme).unwrap_or(&part).trim_end_matches('/');
        let port = target.rsplit_once(':').and_then(|(host, port)| {
            (!host.is_empty() && !host.contains('/')).then(|| port.parse::<u16>().ok())?
        });
        match port {
            Some(_) => Ok(target.to_owned()),
            None => Err(format!("expected {scheme}HOST:PORT, found `{part}`")),
        }
    };
    parse_list(text).into_iter().map(parse).collect()
}

/// Origins of web pages (RFC 6454 §6.2) between commas: a scheme and a host, perhaps a port, and nothing after that.
pub(super) fn parse_origins(text: &str) -> Result<Vec<String>, String> {
    let is_origin = |part: &String| {
        let uri = part.parse::<axum::http::Uri>().ok();
        let authority = uri
            .filter(|uri| uri.scheme().is_some())
            .and_then(|uri| Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?)));
        authority.is_some_and(|origin| origin == *part && !part.contains(['*', '@']))
    };
    match parse_list(text).into_iter().find(|part| !is_origin(part)) {
        Some(other) => Err(format!(
            "expected origins such as https://shop.example, each named (there is no `*`), found `{other}`"
        )),
        None => Ok(parse_list(text)),
    }
}

/// The address of a web page that links begin with.
pub(super) fn parse_page(text: &str) -> Result<String, String> {
    let text = text.trim();
    let uri = text.parse::<axum::http::Uri>().ok();
    let is_page = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()
    });
    match is_page && !text.contains(['#', '@']) {
        true => Ok(text.to_owned()),
        false => Err("expected an address such as https://shop.example/".to_owned()),
    }
}

/// IP addresses between commas.
pub(super) fn parse_addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let parse = |part: String| match part.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_canonical()),
        Err(_) => Err(format!("expected IP addresses, found `{part}`")),
    };
    parse_list(text).into_iter().map(parse).collect()
}

/// Names of roles between commas.
pub(super) fn parse_roles(text: &str) -> Result<Vec<Role>, String> {
    let parse = |name: String| name.parse().map_err(|why| format!("`{name}`: {why}"));
    parse_list(text).into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_named_one_by_one() {
        let named = "https://shop.example, http://[::1]:8080";
        assert_eq!(parse_origins(named).unwrap(), ["https://shop.example", "http://[::1]:8080"]);
        for other in
            ["*", "shop.example", "https://*.shop.example", "https://a/b", "https://a@b", "null"]
        {
            assert!(parse_origins(other).is_err(), "{other}");
        }
    }

    #[test]
    fn schedules_and_hosts() {
        let usual = "0s, 5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h";
        assert_eq!(parse_schedule(usual), Ok(Schedule::usual()));
        assert!(["", "soon", "-1s", "25h"].iter().all(|text| parse_schedule(text).is_err()));
        assert_eq!(parse_hosts("a:80, b:443").unwrap().len(), 2);
        assert!(parse_hosts("a").is_err() && parse_hosts("").unwrap().is_empty());
        assert_eq!((parse_switch("on"), parse_switch("off")), (Ok(true), Ok(false)));
        assert!(parse_switch("yes").is_err());
    }

    #[test]
    fn durations_and_quotas() {
        assert_eq!(parse_duration("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert!(["", "0s", "soon", "-1m"].iter().all(|text| parse_duration(text).is_err()));
        assert_eq!(
            parse_quota("600/1m"),
            Ok(Quota { requests: 600, period: Duration::from_secs(60) })
        );
        assert_eq!(parse_bytes("64MiB"), Ok(64 << 20));
        assert_eq!(parse_bytes("20GiB"), Ok(20 << 30));
        assert!(["64", "0MiB", "xKiB", "MiB"].iter().all(|text| parse_bytes(text).is_err()));
        assert_eq!(
            parse_targets("http://a:1, b:2", false),
            Ok(vec!["a:1".to_owned(), "b:2".to_owned()])
        );
        let refused = ["a", "https://a", "https://a:1", ":1", "a:x"];
        assert!(refused.iter().all(|text| parse_targets(text, false).is_err()));
        assert_eq!(parse_targets("https://a:1", true), Ok(vec!["a:1".to_owned()]));
        assert!(parse_targets("http://a:1", true).is_err(), "half of it would be in the clear");
        assert!(["600", "0/1m", "x/1m", "600/0s"].iter().all(|text| parse_quota(text).is_err()));
    }
}
