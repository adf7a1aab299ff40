//! The parts of a connection URL that tests change: the database, the host and port.

use std::ops::Range;

/// The port of a URL that names none.
const DEFAULT_PORT: u16 = 5432;

/// The same server, another database.
pub(crate) fn with_database(url: &str, database: &str) -> String {
    let authority = authority(url);
    let query = url.find('?').map_or("", |at| &url[at..]);
    format!("{}/{database}{query}", &url[..authority.end])
}

/// The same database, reached at another host and port, and without TLS, which nobody could read along with.
pub(crate) fn with_host(url: &str, host: &str) -> String {
    let place = host_range(url);
    let moved = format!("{}{host}{}", &url[..place.start], &url[place.end..]);
    let (base, query) = moved.split_once('?').unwrap_or((&moved, ""));
    let kept = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("sslmode="));
    let query: Vec<&str> = kept.chain(["sslmode=disable"]).collect();
    format!("{base}?{}", query.join("&"))
}

/// `host:port`, as a socket is opened on it.
pub(crate) fn host(url: &str) -> String {
    let host = &url[host_range(url)];
    let after_brackets = host.rfind(']').map_or(host, |at| &host[at..]);
    if after_brackets.contains(':') { host.to_owned() } else { format!("{host}:{DEFAULT_PORT}") }
}

fn host_range(url: &str) -> Range<usize> {
    let authority = authority(url);
    let user = url[authority.clone()].rfind('@').map_or(0, |at| at + 1);
    authority.start + user..authority.end
}

fn authority(url: &str) -> Range<usize> {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_keeps_everything_else() {
        let url = with_database("postgres://me:p%40ss@db:6000/app?sslmode=require", "other");
        assert_eq!(url, "postgres://me:p%40ss@db:6000/other?sslmode=require");
        assert_eq!(with_database("postgres://db", "other"), "postgres://db/other");
        assert_eq!(with_database("postgres://db?a=b", "other"), "postgres://db/other?a=b");
    }

    #[test]
    fn another_host_turns_tls_off() {
        let url = with_host("postgres://me:pw@db:6000/app?sslmode=require&options=-cjit%3Doff", "127.0.0.1:7000");
        assert_eq!(url, "postgres://me:pw@127.0.0.1:7000/app?options=-cjit%3Doff&sslmode=disable");
        assert_eq!(with_host("postgres://db/app", "[::1]:7"), "postgres://[::1]:7/app?sslmode=disable");
    }

    #[test]
    fn a_host_without_a_port_has_the_default_one() {
        assert_eq!(host("postgres://me:pw@db/app"), "db:5432");
        assert_eq!(host("postgres://[::1]/app"), "[::1]:5432");
        assert_eq!(host("postgres://[::1]:6000/app"), "[::1]:6000");
        assert_eq!(host("127.0.0.1:6000"), "127.0.0.1:6000");
    }
}
