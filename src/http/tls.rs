// SPDX-License-Identifier: Apache-2.0
//! Whom an https connection trusts: the guest's own certificate store, or the roots that are built in.
//!
//! `reqwest`'s own choice reads the store when any client is built, even for plain HTTP, and fails in an image without
//! one; so the configuration is made here.

use std::fs;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, Result};

/// Where distributions keep all trusted roots in one file: Debian and Alpine, Fedora, SUSE, the BSD way.
const STORES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// For plain HTTP.
pub fn trusting_nobody() -> Result<ClientConfig> {
    configuration(RootCertStore::empty())
}

/// The guest's own store, else the built-in roots.
pub fn trusting_the_guest() -> Result<ClientConfig> {
    configuration(first_of(STORES.iter().filter_map(|path| fs::read(path).ok())))
}

/// The first store that holds a certificate.
fn first_of(stores: impl Iterator<Item = Vec<u8>>) -> RootCertStore {
    let roots = stores.map(|pem| roots_of(&pem)).find(|roots| !roots.is_empty());
    roots.unwrap_or_else(|| webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
}

/// One certificate that can't be read must not lock out the others.
fn roots_of(pem: &[u8]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok));
    roots
}

fn configuration(roots: RootCertStore) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::fatal("cannot set up TLS").because(e))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &[u8] = include_bytes!("../../tests/fixtures/http/root.pem");

    #[test]
    fn a_broken_certificate_leaves_its_neighbours() {
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(roots_of(&[broken, ROOT].concat()).len(), 1);
        assert_eq!(roots_of(&[broken.as_slice(), b"-----BEGIN CERTIFICATE-----\n!\n"].concat()).len(), 0);
    }

    #[test]
    fn an_image_without_a_store_trusts_the_built_in_roots() {
        let built_in = webpki_roots::TLS_SERVER_ROOTS.len();
        assert!(built_in > 1);
        for (stores, count) in [(vec![], built_in), (vec![Vec::new()], built_in), (vec![Vec::new(), ROOT.to_vec()], 1)]
        {
            assert_eq!(first_of(stores.into_iter()).len(), count);
        }
        configuration(first_of(std::iter::empty())).unwrap();
    }
}
