//! The few pages that a browser sees on its way through a provider: plain text in plain HTML, no script.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

/// Like the header of all answers, but for `sandbox`: a page in a sandbox is of no site, and the session's cookie would
/// not be sent on to where it leads.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// A page; `body` is HTML whose texts were escaped.
fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title} – Quell</title><link rel=\"stylesheet\" href=\"/approve/page.css\">\
         <main><h1>{title}</h1>{body}</main></html>\n"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Signing in did not work, and why.
pub(super) fn refused(status: StatusCode, sentence: &str) -> Response {
    let body = format!(
        "<p>{}</p><p>The server's log and, where the account is known, the audit trail hold what happened. An \
         administrator of Quell can read them.</p><p><a href=\"/sign-in\">Back to the sign-in</a></p>",
        escaped(sentence)
    );
    page(status, "Not signed in", &body)
}

/// Signed in; goes on to a path here by itself. Not a redirect: the cookie of the session is strict, and browsers do not
/// send it along a redirect that another site began.
pub(super) fn onward(goal: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    let link = format!("<p><a href=\"{}\">Continue</a></p>", escaped(goal));
    let mut response = page(StatusCode::OK, "Signed in", &link);
    let headers = response.headers_mut();
    if let Ok(refresh) = HeaderValue::from_str(&format!("0; url={goal}")) {
        headers.insert(header::REFRESH, refresh);
    }
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

/// Signed in for a program. The person goes on by hand, after a look: somebody else's link could have begun it.
pub(super) fn hand_over(name: &str, word: &str, url: &str, cookie: Option<HeaderValue>) -> Response {
    let body = format!(
        "<p>A program on this computer asks to be signed in as <b>{}</b>.</p>\
         <p>It shows the code <b>{}</b>. If it shows another one, or you started none, close this page.</p>\
         <p><a href=\"{}\">Sign the program in</a></p>",
        escaped(name),
        escaped(word),
        escaped(url),
    );
    let mut response = page(StatusCode::OK, "Sign a program in", &body);
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts() {
        assert_eq!(escaped("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
        let response = onward("/a", []);
        assert!(
            response.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .is_ok_and(|p| !p.contains("sandbox"))
        );
    }
}
