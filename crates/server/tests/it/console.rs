//! The web console: who gets what, how it is packed, and what the browser is told to refuse.

use quell_server::console::Asset;
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{World, answer};

const FILES: &[Asset] = &[
    Asset {
        path: "index.html",
        media_type: "text/html; charset=utf-8",
        tag: "01",
        plain:
            b"<!doctype html><style nonce=\"__NONCE__\">a{}</style><meta name=nonce content=\"__NONCE__\">",
        gzip: None,
        brotli: None,
    },
    Asset {
        path: "assets/index-3f9a.js",
        media_type: "text/javascript; charset=utf-8",
        tag: "02",
        plain: b"the plain script",
        gzip: Some(b"gzipped"),
        brotli: Some(b"brotli"),
    },
    Asset {
        path: "logo.svg",
        media_type: "image/svg+xml",
        tag: "03",
        plain: b"<svg/>",
        gzip: None,
        brotli: None,
    },
];

async fn world() -> World {
    World::with(|config| config.console = FILES.iter().copied().collect()).await
}

async fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = world.http.get(format!("{}{path}", world.base));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Sends the path as it stands; clients would tidy it. The status and the rest.
async fn raw(world: &World, method: &str, path: &str, accept: &str) -> (u16, String) {
    let host = world.base.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
}

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[tokio::test]
async fn the_page_carries_a_nonce_of_its_own_and_a_strict_policy() {
    let world = world().await;
    let mut nonces = Vec::new();
    for path in ["/", "/index.html", "/tasks/018f", "/endpoints?text=web", "/console", "/apis"] {
        let response = get(&world, path, &[("accept", BROWSER)]).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(header(&response, "x-frame-options"), "DENY");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert_eq!(header(&response, "referrer-policy"), "no-referrer");
        assert_eq!(header(&response, "cross-origin-opener-policy"), "same-origin");
        assert!(header(&response, "permissions-policy").contains("camera=()"));
        let policy = header(&response, "content-security-policy").to_owned();
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let text = response.text().await.unwrap();
        assert_eq!(text.matches(&nonce).count(), 2, "{text}");
        assert!(!text.contains("__NONCE__"));
        nonces.push(nonce);
    }
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 6);
    world.stop().await;
}

#[tokio::test]
async fn a_file_comes_packed_as_the_browser_takes_it_and_once() {
    let world = world().await;
    let path = "/assets/index-3f9a.js";
    for (takes, encoding, body) in [
        ("gzip, deflate, br, zstd", "br", "brotli"),
        ("gzip", "gzip", "gzipped"),
        ("br;q=0, gzip;q=1.0", "gzip", "gzipped"),
        ("identity", "", "the plain script"),
        ("gzip;q=0", "", "the plain script"),
    ] {
        let response = get(&world, path, &[("accept-encoding", takes)]).await;
        assert_eq!(
            (response.status().as_u16(), header(&response, "content-encoding")),
            (200, encoding),
            "{takes}"
        );
        assert_eq!(header(&response, "vary"), "accept-encoding");
        assert_eq!(header(&response, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(header(&response, "cache-control"), "public, max-age=31536000, immutable");
        assert!(header(&response, "content-security-policy").contains("style-src 'self';"));
        let tag = header(&response, "etag").to_owned();
        assert_eq!(response.text().await.unwrap(), body);
        let known = [("accept-encoding", takes), ("if-none-match", tag.as_str())];
        let again = get(&world, path, &known).await;
        assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, tag.as_str()));
        assert_eq!(again.bytes().await.unwrap().len(), 0);
    }
    let logo = get(&world, "/logo.svg", &[("if-none-match", "\"02-br\", W/\"04\"")]).await;
    assert_eq!((logo.status().as_u16(), header(&logo, "cache-control")), (200, "no-cache"));
    let head = world.http.head(format!("{}{path}", world.base)).send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, "16"));
    assert_eq!(head.bytes().await.unwrap().len(), 0);
    let head = world.http.head(format!("{}/", world.base)).send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "content-type")), (200, "text/html; charset=utf-8"));
    world.stop().await;
}

#[tokio::test]
async fn no_path_leads_out_of_the_console_or_into_the_api() {
    let world = world().await;
    for path in [
        "/assets/../index.html",
        "/assets/..%2findex.html",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets//index-3f9a.js",
        "/../../etc/passwd",
        "/%2e%2e/admin.key",
        "//etc/passwd",
        "//assets/index-3f9a.js",
        "/assets/index-3f9a.js/",
        "/assets/index-3f9a.js%00",
        "/logo%2esvg",
        "/.git/config",
        "/assets/index-0000.js",
        "//api/v1/tasks",
        "/%61pi/v1/tasks",
    ] {
        let (status, text) = raw(&world, "GET", path, "*/*").await;
        assert_eq!(status, 404, "{path}");
        assert!(text.contains("application/problem+json") && text.contains("not_found"), "{path}: {text}");
        // A browser gets the page or nothing, never a file under another name.
        let (status, text) = raw(&world, "GET", path, BROWSER).await;
        assert!(status == 404 || (status == 200 && text.contains("<!doctype html>")), "{path}: {text}");
    }
    let (status, _) = raw(&world, "GET", "/assets/index-0000.js", BROWSER).await;
    assert_eq!(status, 404, "a file that is gone is no screen");
    for path in [
        "/api",
        "/api/",
        "/api/v1/nothing",
        "/API/v1/tasks",
        "/api/../index.html",
        "/install",
        "/v3.0/x",
        "/metrics/x",
    ] {
        let (status, text) = raw(&world, "GET", path, BROWSER).await;
        assert_eq!(status, 401, "{path}: {text}");
        assert!(text.contains("application/problem+json"), "{path}: {text}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        for path in ["/", "/tasks/1", "/assets/index-3f9a.js"] {
            assert_eq!(raw(&world, method, path, BROWSER).await.0, 401, "{method} {path}");
        }
    }
    let (status, problem) =
        answer(world.request(Method::GET, "/api/v1/nothing").header("accept", BROWSER).send().await.unwrap())
            .await;
    assert_eq!((status, &problem["code"]), (404, &Value::from("not_found")));
    world.stop().await;
}
