// SPDX-License-Identifier: Apache-2.0
//! The UUID by which a connection is known, the same at each boot and on each machine.

use crate::digest::sha256;

/// The UUID of the connection of the link `id`: made of a digest of its name (RFC 9562, version 8).
pub(super) fn uuid(id: &str) -> String {
    let digest = sha256(format!("firstlight connection\0{id}").as_bytes());
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    // The digit `8` twice: the version, and the variant that has versions.
    [part(0, 8), "-", part(8, 12), "-8", part(12, 15), "-8", part(15, 18), "-", part(18, 30)].concat()
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn it_is_the_same_forever_and_another_for_another_link() {
        assert_eq!(uuid("ens3"), "6d27bcd5-a1ad-8a49-8b12-b53d27a7fcb7");
        assert_ne!(uuid("ens3"), uuid("ens4"));
    }
}
