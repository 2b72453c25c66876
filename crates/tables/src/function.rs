//! SQL functions that osquery adds to SQLite's own, as far as queries use them.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Digest;
use regex::{Regex, RegexBuilder};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result};

/// Their names.
pub(crate) const NAMES: &[&str] = &[
    "split",
    "regex_match",
    "regex_split",
    "regexp",
    "concat",
    "concat_ws",
    "in_cidr_block",
    "md5",
    "sha1",
    "sha256",
    "to_base64",
    "from_base64",
    "version_compare",
];

/// A compiled expression. Bytes.
const REGEX_BYTES: usize = 1 << 20;
/// An expression. Bytes.
const REGEX_TEXT: usize = 4096;

pub(crate) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let text = |connection: &Connection, name, count, work: fn(&Context<'_>) -> Result<Value>| {
        connection.create_scalar_function(name, count, flags, work)
    };
    text(connection, "split", 3, split)?;
    text(connection, "regex_match", 3, regex_match)?;
    text(connection, "regex_split", 3, regex_split)?;
    text(connection, "regexp", 2, regexp)?;
    text(connection, "in_cidr_block", 2, in_cidr_block)?;
    text(connection, "md5", 1, hashed::<md5::Md5>)?;
    text(connection, "sha1", 1, hashed::<sha1::Sha1>)?;
    text(connection, "sha256", 1, hashed::<sha2::Sha256>)?;
    text(connection, "to_base64", 1, |context| {
        Ok(bytes(context, 0).map_or(Value::Null, |bytes| Value::Text(STANDARD.encode(bytes))))
    })?;
    text(connection, "from_base64", 1, |context| {
        let decoded = bytes(context, 0).and_then(|bytes| STANDARD.decode(bytes).ok());
        Ok(decoded.map_or(Value::Null, |bytes| Value::Text(String::from_utf8_lossy(&bytes).into_owned())))
    })?;
    text(connection, "version_compare", 2, |context| {
        let (Some(a), Some(b)) = (string(context, 0), string(context, 1)) else { return Ok(Value::Null) };
        Ok(Value::Integer(crate::package::version::compare(&a, &b) as i64))
    })
}

fn bytes(context: &Context<'_>, at: usize) -> Option<Vec<u8>> {
    match context.get_raw(at) {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into_bytes()),
        ValueRef::Real(number) => Some(number.to_string().into_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
    }
}

fn string(context: &Context<'_>, at: usize) -> Option<String> {
    bytes(context, at).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every function")]
fn hashed<D: Digest>(context: &Context<'_>) -> Result<Value> {
    let digest = |bytes: Vec<u8>| quell_host::hex(&D::digest(bytes));
    Ok(bytes(context, 0).map_or(Value::Null, |bytes| Value::Text(digest(bytes))))
}

fn index(context: &Context<'_>) -> Option<usize> {
    context.get::<i64>(2).ok().and_then(|index| usize::try_from(index).ok())
}

/// `split(text, separators, n)`: the n-th of the parts between any of the separating characters.
#[expect(clippy::unnecessary_wraps, reason = "the shape of every function")]
fn split(context: &Context<'_>) -> Result<Value> {
    let (Some(text), Some(separators), Some(index)) =
        (string(context, 0), string(context, 1), index(context))
    else {
        return Ok(Value::Null);
    };
    let part = text.split(|c| separators.contains(c)).filter(|part| !part.is_empty()).nth(index);
    Ok(part.map_or(Value::Null, |part| Value::Text(part.to_owned())))
}

/// The compiled expression of an argument, kept while the statement runs.
fn compiled(context: &Context<'_>, at: i32) -> Result<std::sync::Arc<Regex>> {
    context.get_or_create_aux(
        at,
        |value| -> std::result::Result<Regex, Box<dyn std::error::Error + Send + Sync>> {
            let pattern = value.as_str()?;
            if pattern.len() > REGEX_TEXT {
                return Err("the expression is too long".into());
            }
            Ok(RegexBuilder::new(pattern).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES).build()?)
        },
    )
}

/// `regex_match(text, expression, n)`: the n-th group of the first match, 0 for all of it.
fn regex_match(context: &Context<'_>) -> Result<Value> {
    let (Some(text), Some(index)) = (string(context, 0), index(context)) else { return Ok(Value::Null) };
    let found = compiled(context, 1)?
        .captures(&text)
        .and_then(|groups| groups.get(index).map(|m| m.as_str().to_owned()));
    Ok(found.map_or(Value::Null, Value::Text))
}

/// `regex_split(text, expression, n)`: the n-th of the parts between matches.
fn regex_split(context: &Context<'_>) -> Result<Value> {
    let (Some(text), Some(index)) = (string(context, 0), index(context)) else { return Ok(Value::Null) };
    let part =
        compiled(context, 1)?.split(&text).filter(|part| !part.is_empty()).nth(index).map(ToOwned::to_owned);
    Ok(part.map_or(Value::Null, Value::Text))
}

/// `text REGEXP expression`, which SQLite hands over the other way round.
fn regexp(context: &Context<'_>) -> Result<Value> {
    let Some(text) = string(context, 1) else { return Ok(Value::Null) };
    Ok(Value::Integer(i64::from(compiled(context, 0)?.is_match(&text))))
}

/// `in_cidr_block('10.0.0.0/8', address)`: 1 where the address lies in the block.
fn in_cidr_block(context: &Context<'_>) -> Result<Value> {
    let (Some(block), Some(address)) = (string(context, 0), string(context, 1)) else {
        return Ok(Value::Null);
    };
    let wrong =
        || Error::UserFunctionError("in_cidr_block wants a block like 10.0.0.0/8, and an address".into());
    let (base, bits) = block.split_once('/').ok_or_else(wrong)?;
    let base: IpAddr = base.parse().map_err(|_| wrong())?;
    let bits: u32 = bits.parse().map_err(|_| wrong())?;
    let Ok(address) = address.parse::<IpAddr>() else { return Ok(Value::Integer(0)) };
    let within = match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) if bits <= 32 => {
            (base.to_bits() ^ address.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(base), IpAddr::V6(address)) if bits <= 128 => {
            (base.to_bits() ^ address.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        _ => return Err(wrong()),
    };
    Ok(Value::Integer(i64::from(within)))
}
