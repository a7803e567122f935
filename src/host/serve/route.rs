// SPDX-License-Identifier: Apache-2.0
//! What a path asks for. Whatever is not named here is nowhere: no path is ever joined to one on the disk.

/// Bytes of a path; longer ones are refused before they are read.
pub const LONGEST: usize = 2048;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/`: the versions of EC2's tree.
    Versions,
    /// `/VERSION/api/token`, EC2's sessions.
    Token,
    /// EC2's tree below `/VERSION/`.
    Ec2(Vec<String>),
    /// OpenStack's tree below `/openstack/`.
    OpenStack(Vec<String>),
    /// One of NoCloud's files.
    NoCloud(String),
    /// An installer's answers, with the places in the store where they may be, best first.
    Installer(Vec<String>),
    /// The script that a guest downloads again and again until it succeeds.
    Bootstrap,
    /// Where a guest says that it is done.
    PhoneHome,
}

/// A route, and the token that stood before it (`/t/TOKEN/…`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// None where nothing is.
    pub route: Option<Route>,
    /// Who the guest says it is.
    pub token: Option<String>,
    /// The path as it may be shown: decoded, without the token.
    pub shown: String,
}

/// The versions of EC2's tree, as Amazon's service lists them.
pub const EC2_VERSIONS: [&str; 29] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2011-05-01",
    "2012-01-12",
    "2014-02-25",
    "2014-11-05",
    "2015-10-20",
    "2016-04-19",
    "2016-06-30",
    "2016-09-02",
    "2018-03-28",
    "2018-08-17",
    "2018-09-24",
    "2019-10-01",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "2022-09-24",
    "2024-04-11",
    "latest",
];

const NOCLOUD: [&str; 4] = ["meta-data", "user-data", "vendor-data", "network-config"];

/// What the raw path of a request asks for.
pub fn route(path: &str) -> Routed {
    let Some(mut parts) = parts(path) else {
        return Routed { route: None, token: None, shown: "(no path)".to_owned() };
    };
    let mut token = None;
    if parts.len() >= 2 && parts.first().is_some_and(|first| first == "t") {
        token = parts.drain(..2).nth(1);
    }
    let shown = format!("/{}", parts.join("/"));
    Routed { route: of(parts), token, shown }
}

fn of(mut parts: Vec<String>) -> Option<Route> {
    let words: Vec<&str> = parts.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => Some(Route::Versions),
        [version, "api", "token"] if EC2_VERSIONS.contains(version) => Some(Route::Token),
        [version, ..] if EC2_VERSIONS.contains(version) => Some(Route::Ec2(parts.split_off(1))),
        ["openstack", ..] => Some(Route::OpenStack(parts.split_off(1))),
        ["nocloud", name] if NOCLOUD.contains(name) => Some(Route::NoCloud((*name).to_owned())),
        ["preseed", name] => Some(Route::Installer(preseeds(name))),
        ["kickstart", _] => Some(Route::Installer(vec![parts.join("/")])),
        ["autoinstall", _, "user-data" | "meta-data" | "vendor-data"] => Some(Route::Installer(vec![parts.join("/")])),
        ["vm-bootstrap"] => Some(Route::Bootstrap),
        ["phone-home", ..] if words.len() <= 2 => Some(Route::PhoneHome),
        _ => None,
    }
}

/// The file of that name, else the one that Cheesy2 serves for it: with underscores for dots.
fn preseeds(name: &str) -> Vec<String> {
    let mut places = vec![format!("preseed/{name}")];
    if name.contains('.') {
        places.push(format!("preseed/{}", name.replace('.', "_")));
    }
    places
}

/// The parts of a path, decoded; `None` where one of them leads elsewhere, is hidden, or is no text. Empty ones do not
/// count: clients write `//latest` and `meta-data/`.
fn parts(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix('/')?;
    path.split('/').filter(|part| !part.is_empty()).map(|part| decoded(part).filter(|part| is_name(part))).collect()
}

fn is_name(part: &str) -> bool {
    !part.starts_with('.') && !part.contains(['/', '\\']) && !part.chars().any(char::is_control)
}

/// `%41` is `A`; `None` where that is no text.
pub fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
            }
            byte => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn routed(path: &str) -> Option<Route> {
        route(path).route
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn dated_and_latest_paths_are_the_same_tree() {
        assert_eq!(routed("/"), Some(Route::Versions));
        assert_eq!(routed("//latest"), Some(Route::Ec2(vec![])));
        assert_eq!(routed("/2009-04-04/meta-data/"), Some(Route::Ec2(words(&["meta-data"]))));
        assert_eq!(routed("/latest/api/token"), Some(Route::Token));
        assert_eq!(routed("/2010-01-01/meta-data/"), None);
        assert_eq!(routed("/openstack/latest/user_data"), Some(Route::OpenStack(words(&["latest", "user_data"]))));
        assert_eq!(routed("/nocloud/meta-data"), Some(Route::NoCloud("meta-data".to_owned())));
        assert_eq!(routed("/nocloud/etc"), None);
        let answers = ["preseed/web.cfg", "preseed/web_cfg"];
        assert_eq!(routed("/preseed/web.cfg"), Some(Route::Installer(words(&answers))));
        assert_eq!(routed("/autoinstall/web/passwd"), None);
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_nowhere() {
        for path in [
            "/preseed/../secret",
            "/preseed/%2e%2e",
            "/preseed/..%2fsecret",
            "/preseed/a%00",
            "/preseed/.hidden",
            "/preseed/a%5c..%5cb",
            "/kickstart/%2Fetc%2Fpasswd",
            "/kickstart//etc/passwd",
            "/preseed/%ff",
            "/preseed/%4",
            "/preseed/%zz",
            "latest",
            "*",
            "",
        ] {
            assert_eq!(routed(path), None, "{path}");
        }
    }

    #[test]
    fn a_token_is_taken_off_and_never_shown() {
        let routed = route("/t/web.c2VjcmV0/nocloud/meta-data");
        assert_eq!(routed.token.as_deref(), Some("web.c2VjcmV0"));
        assert_eq!(routed.route, Some(Route::NoCloud("meta-data".to_owned())));
        assert_eq!(routed.shown, "/nocloud/meta-data");
    }

    proptest! {
        #[test]
        fn no_path_names_a_place_outside(path in "/(preseed|kickstart|autoinstall|t)(/|%2f|\\.|%2e|[a-z]|%00|\\\\|%25){0,12}") {
            if let Some(Route::Installer(places)) = routed(&path) {
                for place in places {
                    prop_assert!(place.split('/').all(|part| !part.is_empty() && !part.starts_with('.')), "{place}");
                    prop_assert!(!place.contains(['\0', '\\']));
                }
            }
        }
    }
}
