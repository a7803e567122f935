// SPDX-License-Identifier: Apache-2.0
//! The pages as text: HTML from templates that escape every value, and JSON.

use std::time::{Duration, SystemTime};

use minijinja::{Environment, Value, context};
use serde_json::json;

use crate::host::serve::page::activity::{Counts, Filter, Seen};
use crate::host::serve::page::guest::Time;
use crate::http::form;
use crate::report::clock;

/// The list of guests.
pub fn list(filter: &Filter, counts: &Counts, guests: &[Seen], total: usize, now: SystemTime) -> Html {
    let rows: Vec<Value> = guests.iter().map(|seen| row(seen, now)).collect();
    let query = form([("q", filter.text.as_str())]).unwrap_or_default();
    let filter = context! { text => &*filter.text, state => &*filter.state };
    let now = clock::utc(now);
    render("list.html", context! { filter, query, counts => counted(counts), rows, total, now })
}

/// One guest, with what it asked for.
pub fn detail(seen: &Seen, now: SystemTime) -> Html {
    let paths: Vec<Value> = seen
        .guest
        .paths
        .iter()
        .map(|(what, asked)| {
            context! { what => &**what, count => asked.count, status => asked.status, last => moment(asked.last, now) }
        })
        .collect();
    let recent: Vec<Value> = seen.guest.recent.iter().map(|request| {
        context! { at => moment(request.at, now), method => &*request.method, what => &*request.what, status => request.status, reason => request.reason.clone() }
    }).collect();
    render("guest.html", context! { guest => row(seen, now), paths, recent, now => clock::utc(now) })
}

/// For a number that is no guest's.
pub fn unknown() -> Html {
    render("unknown.html", context! {})
}

/// The list for programs: all guests, and no bound but that of the memory.
pub fn status_json(counts: &Counts, guests: &[Seen], now: SystemTime) -> String {
    json!({ "now": clock::utc(now), "counts": counts, "guests": guests }).to_string()
}

/// One guest for programs.
pub fn detail_json(seen: &Seen) -> String {
    let guest = &seen.guest;
    json!({ "guest": seen, "paths": guest.paths, "recent": guest.recent }).to_string()
}

/// A page, or why the template is wrong.
type Html = Result<String, minijinja::Error>;

fn row(seen: &Seen, now: SystemTime) -> Value {
    let guest = &seen.guest;
    let report = guest.report.as_ref().map(|report| {
        let fields: Vec<_> = report.fields.iter().map(|(name, said)| vec![name.clone(), said.clone()]).collect();
        context! { at => moment(report.at, now), fields }
    });
    let latest = guest.recent.front().map(|request| context! { what => &*request.what, status => request.status });
    context! {
        number => guest.number, name => guest.name.clone(), address => guest.address.clone(), mac => guest.mac.clone(), uuid => guest.uuid.clone(),
        state => seen.state.name(), requests => guest.requests, failed => guest.failed,
        first => moment(guest.first, now), last => moment(guest.last, now), report, latest,
    }
}

fn counted(counts: &Counts) -> Value {
    context! {
        guests => counts.guests, asking => counts.asking, done => counts.done, silent => counts.silent,
        failing => counts.failing, failed_requests => counts.failed_requests,
    }
}

/// A time as it is, and as people say it.
fn moment(time: Time, now: SystemTime) -> Value {
    let ago = now.duration_since(time.0).unwrap_or_default();
    context! { exact => clock::utc(time.0), ago => said(ago) }
}

fn said(ago: Duration) -> String {
    match ago.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// By their names' ending, all values are escaped as HTML.
fn render(name: &str, values: Value) -> Html {
    let mut templates = Environment::new();
    for (name, text) in [
        ("frame.html", include_str!("frame.html")),
        ("list.html", include_str!("status.html")),
        ("guest.html", include_str!("guest.html")),
        ("unknown.html", include_str!("unknown.html")),
    ] {
        templates.add_template(name, text)?;
    }
    templates.get_template(name)?.render(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::serve::callers::Identity;
    use crate::host::serve::page::activity::Activity;

    const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&{{ 7 * 7 }}";

    #[test]
    fn whatever_a_guest_says_is_text() {
        let activity = Activity::default();
        let who = Identity { names: vec![HOSTILE.to_owned()], mac: Some(HOSTILE.to_owned()), ..Identity::default() };
        activity.asked(&who, HOSTILE, HOSTILE, (200, Some(HOSTILE)));
        activity.reported(&who, &[(HOSTILE.to_owned(), HOSTILE.to_owned())]);
        let now = SystemTime::now();
        let filter = Filter { text: "<SCRIPT".to_owned(), state: HOSTILE.to_owned() };
        let (counts, guests, total) = activity.list(&filter, 10, now);
        for page in [list(&filter, &counts, &guests, total, now).unwrap(), detail(&guests[0], now).unwrap()] {
            assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
            assert_eq!(page.matches("<script").count(), 1, "the page's own: {page}");
            assert!(!page.contains("<img") && !page.contains("49"), "{page}");
        }
        let json: serde_json::Value = serde_json::from_str(&status_json(&counts, &guests, now)).unwrap();
        assert_eq!(json["guests"][0]["name"], HOSTILE);
        assert_eq!(json["guests"][0]["state"], "done");
        assert_eq!(json["counts"]["done"], 1);
    }

    #[test]
    fn ages_are_said_as_people_say_them() {
        for (seconds, text) in [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 days")] {
            assert_eq!(said(Duration::from_secs(seconds)), text);
        }
    }
}
