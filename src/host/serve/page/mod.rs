// SPDX-License-Identifier: Apache-2.0
//! The status page: which guests asked, what for, and when they reported done. It only shows, and everything on it that a
//! guest has chosen is text.

mod activity;
mod guest;
mod view;

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

pub use activity::Activity;
use activity::Filter;

use crate::http::parse;

/// Nothing is loaded from elsewhere, nothing on the page itself runs, and nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Guests on one page, which is fetched every two seconds: more are found by the filter.
const MOST_ROWS: usize = 250;

/// The page, for a listener of its own: it is the operator's, not the guests'.
pub fn router(activity: Arc<Activity>) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/guests/{number}", get(detail))
        .route("/status.json", get(status))
        .route("/guests/{number}/status.json", get(detail_json))
        .route("/page.css", get(|| async { asset("text/css; charset=utf-8", include_str!("page.css")) }))
        .route("/page.js", get(|| async { asset("text/javascript; charset=utf-8", include_str!("page.js")) }))
        .layer(map_response(guarded))
        .with_state(activity)
}

async fn list(State(activity): State<Arc<Activity>>, RawQuery(query): RawQuery) -> Response {
    let (filter, now) = (filter(query.as_deref()), SystemTime::now());
    let (counts, guests, total) = activity.list(&filter, MOST_ROWS, now);
    html(view::list(&filter, &counts, &guests, total, now))
}

async fn detail(State(activity): State<Arc<Activity>>, Path(number): Path<String>) -> Response {
    let now = SystemTime::now();
    match number.parse().ok().and_then(|number| activity.guest(number, now)) {
        Some(seen) => html(view::detail(&seen, now)),
        None => (StatusCode::NOT_FOUND, html(view::unknown())).into_response(),
    }
}

async fn status(State(activity): State<Arc<Activity>>, RawQuery(query): RawQuery) -> Response {
    let (filter, now) = (filter(query.as_deref()), SystemTime::now());
    let (counts, guests, _) = activity.list(&filter, usize::MAX, now);
    asset("application/json", view::status_json(&counts, &guests, now))
}

async fn detail_json(State(activity): State<Arc<Activity>>, Path(number): Path<String>) -> Response {
    match number.parse().ok().and_then(|number| activity.guest(number, SystemTime::now())) {
        Some(seen) => asset("application/json", view::detail_json(&seen)),
        None => (StatusCode::NOT_FOUND, asset("application/json", "null")).into_response(),
    }
}

/// From the form: `q` is a text, `state` a state.
fn filter(query: Option<&str>) -> Filter {
    let url = parse(&format!("http://page/?{}", query.unwrap_or_default()));
    let mut filter = Filter::default();
    for (name, value) in url.iter().flat_map(|url| url.query_pairs()) {
        let value = value.chars().take(100).collect();
        match &*name {
            "q" => filter.text = value,
            "state" => filter.state = value,
            _ => (),
        }
    }
    filter
}

fn asset(kind: &'static str, text: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

fn html(page: Result<String, minijinja::Error>) -> Response {
    match page {
        Ok(page) => asset("text/html; charset=utf-8", page),
        Err(error) => {
            log::error!("the status page can't be made: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn guarded(mut answer: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    answer
}
