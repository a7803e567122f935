// SPDX-License-Identifier: Apache-2.0
//! The answer to each route.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::host::openstack::VERSIONS;
use crate::host::serve::callers::Identity;
use crate::host::serve::data::Kind;
use crate::host::serve::guest::Guest;
use crate::host::serve::openstack::{self, Content};
use crate::host::serve::password::{self, Posted};
use crate::host::serve::respond::Answer;
use crate::host::serve::route::{EC2_VERSIONS, Route};
use crate::host::serve::service::Service;
use crate::host::serve::session::{TOKEN_HEADER, TTL_HEADER};
use crate::host::serve::{Imds, ec2, form, nocloud};
use crate::seed::{MetaFormat, NetworkFormat};

/// Bytes of a form, and how long it may take to come.
const FORM: usize = 64 << 10;
const BODY_TIME: Duration = Duration::from_secs(15);

impl Service {
    /// What the guest is answered; errors are those of its data.
    pub(super) async fn answer<B>(&self, route: Option<Route>, request: Request<B>, who: &Identity) -> Result<Answer>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(route) = route else { return Ok(Answer::nothing()) };
        let allowed = allowed(&route);
        if !allowed.split(", ").any(|method| method == request.method().as_str()) {
            return Ok(Answer::wrong_method(allowed));
        }
        match route {
            Route::Token => Ok(self.token(request.headers(), who)),
            Route::Versions | Route::Ec2(_) if !self.has_session(request.headers(), who) => {
                Ok(Answer::status(StatusCode::UNAUTHORIZED))
            }
            Route::Versions => Ok(Answer::text(EC2_VERSIONS.join("\n"))),
            Route::Ec2(path) => self.ec2(&path, who).await,
            Route::OpenStack(path) if request.method() == Method::POST => self.post_password(&path, request, who).await,
            Route::OpenStack(path) => self.openstack(&path, who).await,
            Route::NoCloud(name) => self.nocloud(&name, who).await,
            Route::Installer(places) => self.installer(&places).await,
            Route::Bootstrap => self.bootstrap(who).await,
            Route::PhoneHome => self.phone_home(request, who).await,
        }
    }

    async fn guest(&self, who: &Identity) -> Result<Guest> {
        Ok(Guest { who: who.clone(), given: self.data.meta(who).await? })
    }

    fn token(&self, headers: &HeaderMap, who: &Identity) -> Answer {
        if self.imds == Imds::V1 {
            return Answer::nothing();
        }
        // A proxy that anybody talks to shall not fetch a token for them.
        if headers.contains_key("x-forwarded-for") {
            return Answer::status(StatusCode::FORBIDDEN);
        }
        let ttl = headers.get(TTL_HEADER).and_then(|ttl| ttl.to_str().ok()).unwrap_or_default();
        let Some((token, ttl)) = self.sessions.token(&caller(who), ttl) else {
            return Answer::status(StatusCode::BAD_REQUEST);
        };
        Answer::text(token).with(HeaderName::from_static(TTL_HEADER), HeaderValue::from(ttl))
    }

    /// A token that is shown has to be good, wanted or not.
    fn has_session(&self, headers: &HeaderMap, who: &Identity) -> bool {
        match (self.imds, headers.get(TOKEN_HEADER)) {
            (Imds::V1, _) | (Imds::Both, None) => true,
            (Imds::V2, None) => false,
            (_, Some(token)) => token.to_str().is_ok_and(|token| self.sessions.is_good(&caller(who), token)),
        }
    }

    async fn ec2(&self, path: &[String], who: &Identity) -> Result<Answer> {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        Ok(match words.as_slice() {
            [] => {
                let user_data = self.data.document(who, Kind::User).await?.map_or("", |_| "\nuser-data");
                Answer::text(format!("dynamic\nmeta-data{user_data}"))
            }
            ["meta-data", ..] => {
                let guest = self.guest(who).await?;
                ec2::meta_data(&guest, path.get(1..).unwrap_or_default()).map_or_else(Answer::nothing, Answer::text)
            }
            ["user-data"] => found(self.data.document(who, Kind::User).await?),
            ["dynamic"] => Answer::text("instance-identity/"),
            ["dynamic", "instance-identity"] => Answer::text("document"),
            ["dynamic", "instance-identity", "document"] => {
                Answer::text(format!("{:#}", ec2::identity_document(&self.guest(who).await?)))
            }
            _ => Answer::nothing(),
        })
    }

    async fn openstack(&self, path: &[String], who: &Identity) -> Result<Answer> {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => Ok(Answer::text(VERSIONS.join("\n"))),
            ["content", number] => self.content(number, who).await,
            [version, ..] if !VERSIONS.contains(version) => Ok(Answer::nothing()),
            [_] => self.openstack_listing(who).await,
            [_, "meta_data.json"] => match self.data.only().and_then(openstack::of_drive) {
                Some(bytes) => Ok(Answer::json_bytes(bytes.to_vec())),
                None => Ok(Answer::json(&openstack::meta_data(&self.guest(who).await?))),
            },
            [_, "network_data.json"] => match self.data.network(who).await? {
                Some((NetworkFormat::OpenStack, document)) => Ok(Answer::json_bytes(document.bytes)),
                _ => Ok(Answer::nothing()),
            },
            [_, "user_data"] => Ok(found(self.data.document(who, Kind::User).await?)),
            [_, "vendor_data.json"] => self.vendor_data(who).await,
            [_, "vendor_data2.json"] => {
                let second = self.data.only().and_then(|seed| seed.vendor_data.get(1));
                Ok(second.map_or_else(Answer::nothing, |document| Answer::json_bytes(document.bytes.clone())))
            }
            [_, "password"] => Ok(Answer::text(self.passwords.get(&self.guest(who).await?.id()))),
            _ => Ok(Answer::nothing()),
        }
    }

    async fn openstack_listing(&self, who: &Identity) -> Result<Answer> {
        let mut names = vec!["meta_data.json", "password"];
        if matches!(self.data.network(who).await?, Some((NetworkFormat::OpenStack, _))) {
            names.push("network_data.json");
        }
        if self.data.document(who, Kind::User).await?.is_some() {
            names.push("user_data");
        }
        if self.data.document(who, Kind::Vendor).await?.is_some() {
            names.push("vendor_data.json");
        }
        Ok(Answer::text(names.join("\n")))
    }

    async fn vendor_data(&self, who: &Identity) -> Result<Answer> {
        let Some(bytes) = self.data.document(who, Kind::Vendor).await? else { return Ok(Answer::nothing()) };
        match openstack::vendor_data(&bytes) {
            Some(bytes) => Ok(Answer::json_bytes(bytes)),
            None => Err(Error::malformed("the vendor-data are neither JSON nor text")),
        }
    }

    async fn content(&self, number: &str, who: &Identity) -> Result<Answer> {
        let path = format!("/content/{number}");
        if let Some(seed) = self.data.only().filter(|seed| seed.meta_format == MetaFormat::OpenStack) {
            return Ok(found(seed.content.get(&path).map(|bytes| Bytes::copy_from_slice(bytes))));
        }
        let guest = self.guest(who).await?;
        let file = openstack::files(&guest).find(|file| file.content_path == path);
        Ok(match file.map(|file| file.content) {
            Some(Content::Text(text)) => Answer::bytes(text.to_owned()),
            Some(Content::Place(place)) => match self.data.at(place).await? {
                Some(bytes) => Answer::bytes(bytes),
                None => {
                    return Err(Error::malformed(format!("the meta-data name the file `{place}`, which is not there")));
                }
            },
            None => Answer::nothing(),
        })
    }

    async fn post_password<B>(&self, path: &[String], request: Request<B>, who: &Identity) -> Result<Answer>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if !matches!(path, [version, name] if VERSIONS.contains(&version.as_str()) && name == "password") {
            return Ok(Answer::wrong_method("GET, HEAD"));
        }
        let password = match body(request, password::LONGEST).await {
            Ok(password) if !password.is_empty() => password,
            Ok(_) => return Ok(Answer::status(StatusCode::BAD_REQUEST)),
            Err(answer) => return Ok(answer),
        };
        Ok(match self.passwords.post(&self.guest(who).await?.id(), password) {
            Posted::Kept => Answer::text(""),
            Posted::Again => Answer::status(StatusCode::CONFLICT),
            Posted::Full => Answer::status(StatusCode::INSUFFICIENT_STORAGE),
        })
    }

    /// A client that looks for a file that is not there asks for it again for ten seconds: what a guest has nothing of is
    /// empty.
    async fn nocloud(&self, name: &str, who: &Identity) -> Result<Answer> {
        let bytes = match name {
            "meta-data" => match self.data.only().filter(|seed| seed.meta_format == MetaFormat::NoCloud) {
                Some(seed) if seed.more_meta_data.is_empty() => Some(Bytes::copy_from_slice(&seed.meta_data.bytes)),
                _ => Some(nocloud::meta_data(&self.guest(who).await?)?.into()),
            },
            "user-data" => self.data.document(who, Kind::User).await?,
            "vendor-data" => self.data.document(who, Kind::Vendor).await?,
            _ => match self.data.network(who).await? {
                Some((format, document)) => Some(nocloud::network_config(format, &document)?.into()),
                None => None,
            },
        };
        Ok(Answer::bytes(bytes.unwrap_or_default()))
    }

    async fn installer(&self, places: &[String]) -> Result<Answer> {
        for place in places {
            if let Some(bytes) = self.data.at(place).await? {
                return Ok(Answer::text(bytes));
            }
            // The installer insists on these two, and its user seldom has anything to say in them.
            let rest = place.strip_suffix("/meta-data").or_else(|| place.strip_suffix("/vendor-data"));
            if let Some(directory) = rest.filter(|rest| rest.starts_with("autoinstall/"))
                && self.data.at(&format!("{directory}/user-data")).await?.is_some()
            {
                return Ok(Answer::text(""));
            }
        }
        Ok(Answer::nothing())
    }

    async fn bootstrap(&self, who: &Identity) -> Result<Answer> {
        if let Some(bytes) = self.data.document(who, Kind::Bootstrap).await? {
            return Ok(Answer::text(bytes));
        }
        Ok(self.data.at("vm-bootstrap").await?.map_or_else(Answer::nothing, Answer::text))
    }

    async fn phone_home<B>(&self, request: Request<B>, who: &Identity) -> Result<Answer>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Ok(match body(request, FORM).await {
            Ok(form) => {
                self.activity.reported(who, &form::fields(&form));
                Answer::text("")
            }
            Err(answer) => answer,
        })
    }
}

fn allowed(route: &Route) -> &'static str {
    match route {
        Route::Token => "PUT",
        Route::PhoneHome => "POST",
        Route::OpenStack(path) if path.last().is_some_and(|name| name == "password") => "GET, HEAD, POST",
        _ => "GET, HEAD",
    }
}

/// For whom a session is good.
fn caller(who: &Identity) -> String {
    who.address.map_or_else(|| "-".to_owned(), |address| address.to_string())
}

fn found(bytes: Option<Bytes>) -> Answer {
    bytes.map_or_else(Answer::nothing, Answer::bytes)
}

/// The whole body, at most `limit` bytes, before long.
async fn body<B>(request: Request<B>, limit: usize) -> Result<Bytes, Answer>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match timeout(BODY_TIME, Limited::new(request.into_body(), limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Answer::status(StatusCode::PAYLOAD_TOO_LARGE)),
        Ok(Err(_)) => Err(Answer::status(StatusCode::BAD_REQUEST)),
        Err(_) => Err(Answer::status(StatusCode::REQUEST_TIMEOUT)),
    }
}
