//! As much of a browser as signing in needs: cookies by host, redirects, forms.

use std::collections::BTreeMap;

use reqwest::{Method, Url};

/// A browser of one person.
pub struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// What it shows.
#[derive(Debug)]
pub struct Shown {
    pub url: Url,
    pub status: u16,
    pub refresh: Option<String>,
    pub text: String,
}

impl Browser {
    pub fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { http, cookies: BTreeMap::new() }
    }

    /// The cookies of a host, as a request sends them.
    pub fn cookies(&self, host: &str) -> String {
        let own = self.cookies.get(host).into_iter().flatten();
        own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub async fn open(&mut self, url: &str) -> Shown {
        self.go(Method::GET, Url::parse(url).unwrap(), None, |_| false).await
    }

    /// Follows redirects until one leads where `stops` says; that address is shown, not asked for.
    pub async fn open_until(&mut self, url: &str, stops: fn(&Url) -> bool) -> Shown {
        self.go(Method::GET, Url::parse(url).unwrap(), None, stops).await
    }

    /// Sends the form of the page.
    pub async fn submit(&mut self, page: &Shown, fields: &[(&str, &str)], stops: fn(&Url) -> bool) -> Shown {
        let action = between(&page.text, "action=\"", "\"").unwrap();
        let prompt = between(&page.text, "name=\"prompt\" value=\"", "\"").unwrap();
        let mut url = Url::parse("form:/").unwrap();
        url.query_pairs_mut().append_pair("prompt", prompt).extend_pairs(fields);
        let body = url.query().unwrap().to_owned();
        self.go(Method::POST, page.url.join(action).unwrap(), Some(body), stops).await
    }

    /// Signs in at the provider's development pages as this account, and agrees to everything.
    pub async fn sign_in(&mut self, start: &str, account: &str) -> Shown {
        self.sign_in_until(start, account, |_| false).await
    }

    pub async fn sign_in_until(&mut self, start: &str, account: &str, stops: fn(&Url) -> bool) -> Shown {
        let mut page = self.open_until(start, stops).await;
        for _ in 0..4 {
            if !page.text.contains("name=\"prompt\"") {
                return page;
            }
            let fields: &[(&str, &str)] = if page.text.contains("name=\"login\"") {
                &[("login", account), ("password", "x")]
            } else {
                &[]
            };
            page = self.submit(&page, fields, stops).await;
        }
        page
    }

    async fn go(&mut self, method: Method, url: Url, body: Option<String>, stops: fn(&Url) -> bool) -> Shown {
        let (mut method, mut url, mut body) = (method, url, body);
        for _ in 0..20 {
            if stops(&url) {
                return Shown { url, status: 0, refresh: None, text: String::new() };
            }
            let host = url.host_str().unwrap().to_owned();
            let mut request = self.http.request(method, url.clone()).header("cookie", self.cookies(&host));
            if let Some(body) = body.take() {
                request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
            }
            let answer = request.send().await.unwrap();
            self.keep(&host, &answer);
            let header = |name: &str| {
                answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
            };
            let status = answer.status().as_u16();
            let Some(location) = header("location").filter(|_| (300..400).contains(&status)) else {
                let refresh = header("refresh");
                return Shown { url, status, refresh, text: answer.text().await.unwrap() };
            };
            (method, url) = (Method::GET, url.join(&location).unwrap());
        }
        Shown { url, status: 0, refresh: None, text: "redirects without end".to_owned() }
    }

    fn keep(&mut self, host: &str, answer: &reqwest::Response) {
        let jar = self.cookies.entry(host.to_owned()).or_default();
        for header in answer.headers().get_all("set-cookie") {
            let text = header.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            let lower = text.to_lowercase();
            if lower.contains("max-age=0") || lower.contains("1970") || value.is_empty() {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// What stands between two marks.
pub fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let rest = text.split_once(from)?.1;
    Some(rest.split_once(to)?.0)
}
