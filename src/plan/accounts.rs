// SPDX-License-Identifier: Apache-2.0
//! Users and groups as text: passwd, shadow, group, gshadow, subuid and subgid edited in process, for any root.
