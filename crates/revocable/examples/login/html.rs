//! How a page is written. What comes from outside goes through [`Text`].

use std::fmt;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use revocable::http::{CsrfPolicy, CsrfToken};

/// Text for HTML, between tags and in quoted attributes.
pub(crate) struct Text<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for c in self.0.to_string().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A whole page around this HTML.
pub(crate) fn page(title: &str, body: impl fmt::Display) -> Html<String> {
    let title = Text(title);
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"/style.css\">\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n</html>\n"
    ))
}

/// A page that says one thing.
pub(crate) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let body = format!(
        "<p id=\"message\">{}</p>\n<p><a href=\"/\">Go on</a></p>",
        Text(text)
    );
    (status, page(title, body)).into_response()
}

/// What went wrong with a form, to be shown above it.
pub(crate) fn error(text: Option<&str>) -> String {
    text.map(|text| format!("<p id=\"error\" role=\"alert\">{}</p>\n", Text(text)))
        .unwrap_or_default()
}

/// The links of who is logged in.
pub(crate) fn navigation(name: &str, is_administrator: bool, token: &CsrfToken) -> String {
    let administration = match is_administrator {
        true => " <a id=\"nav-admin\" href=\"/admin\">Administration</a>",
        false => "",
    };
    format!(
        "<nav><span id=\"user\">{}</span> <a id=\"nav-devices\" href=\"/devices\">Devices</a> \
         <a id=\"nav-password\" href=\"/password\">Password</a> \
         <a id=\"nav-live\" href=\"/live\">Live</a>{administration}</nav>\n{}",
        Text(name),
        Form::new("log-out", "/log-out")
            .token(token)
            .button("Log out"),
    )
}

/// A form. The button has the form's ID with `-button` behind.
pub(crate) struct Form {
    id: String,
    html: String,
}

impl Form {
    pub(crate) fn new(id: impl fmt::Display, action: &str) -> Self {
        let id = Text(id).to_string();
        let html = format!("<form id=\"{id}\" method=\"post\" action=\"{action}\">\n");
        Self { id, html }
    }

    /// That the form is a page's own. First, so that it is found within the limit.
    pub(crate) fn token(self, token: &CsrfToken) -> Self {
        self.hidden(CsrfPolicy::FORM_FIELD, token.expose())
    }

    pub(crate) fn hidden(mut self, name: &str, value: impl fmt::Display) -> Self {
        let value = Text(value);
        self.html += &format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">\n");
        self
    }

    pub(crate) fn name(self, value: &str) -> Self {
        let value = Text(value);
        self.field("Name", &format!(
            "name=\"name\" value=\"{value}\" autocomplete=\"username\" maxlength=\"40\" autocapitalize=\"none\""
        ))
    }

    /// `autocomplete` is `current-password` or `new-password`.
    pub(crate) fn password(self, label: &str, autocomplete: &str) -> Self {
        self.field(
            label,
            &format!("name=\"password\" type=\"password\" autocomplete=\"{autocomplete}\""),
        )
    }

    /// The one that the user has, where a new one is asked for as well.
    pub(crate) fn present_password(self) -> Self {
        let attributes = "name=\"current\" type=\"password\" autocomplete=\"current-password\"";
        self.field("Present password", attributes)
    }

    fn field(mut self, label: &str, attributes: &str) -> Self {
        self.html += &format!("<label>{label} <input {attributes} required></label>\n");
        self
    }

    pub(crate) fn button(self, text: &str) -> String {
        let Self { id, html } = self;
        format!("{html}<button id=\"{id}-button\">{text}</button>\n</form>\n")
    }
}

/// What a private page ends with.
pub(crate) const PRIVATE: &str = "<script src=\"/private.js\"></script>";

/// Browsers keep pages in memory for the button "back", Chromium also those with
/// `no-store`, and after the logout too. So there is nothing on the page while it
/// is kept, and when it comes back it asks again.
pub(crate) const PRIVATE_SCRIPT: &str = r#""use strict";
addEventListener("pagehide", () => document.body.replaceChildren());
addEventListener("pageshow", (event) => event.persisted && location.reload());
"#;

pub(crate) const STYLE: &str = "\
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { margin: 0 }
main { max-width: 36rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; margin: .5rem 0 }
a { color: light-dark(#15c, #8bf) }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem }
nav span { font-weight: bold }
form { margin: .75rem 0 }
label { display: block; margin: .75rem 0 }
input { display: block; width: 100%; box-sizing: border-box }
input, button { font: inherit; padding: .5rem 1rem; min-height: 2.75rem; border: 1px solid #8888; border-radius: .5rem }
button { color: light-dark(#15c, #8bf); background: none; cursor: pointer }
button:hover { background: #8882 }
ul { list-style: none; padding: 0 }
li, #live-status { border: 1px solid #8886; border-radius: .5rem; padding: .75rem; margin: .75rem 0 }
li form { margin: .5rem 0 0 }
li strong { color: light-dark(#075, #5c9) }
small { display: block; opacity: .75 }
#error { border-left: .25rem solid #c33; padding-left: .75rem }
#live-status { border-left: .25rem solid #888 }
#live-status[data-state=live] { border-left-color: #2a6 }
#live-status[data-state=ended] { border-left-color: #c33 }
";
