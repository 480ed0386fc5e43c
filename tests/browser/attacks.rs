//! What an attacker tries with a victim's browser.

use serde_json::json;

use crate::demo::{COOKIE, Demo, LAPTOP, PASSWORD, PHONE, fill_in, token};
use crate::hostile::{self, Relay};
use crate::programs::Programs;
use crate::webdriver::{Browser, OTHER_SITE};

pub(crate) fn script(programs: &Programs) {
    let demo = Demo::start();
    let browser = Browser::start(programs, LAPTOP);
    demo.sign_up(&browser, "alice");

    let cookies = browser.cookies();
    let [cookie] = &*cookies else {
        panic!("{cookies:?}");
    };
    // ASVS 5.0, 3.3.1 to 3.3.4.
    for (attribute, expected) in [
        ("name", json!(COOKIE)),
        ("httpOnly", json!(true)),
        ("secure", json!(true)),
        ("sameSite", json!("Lax")),
        ("path", json!("/")),
        ("domain", json!("localhost")),
    ] {
        assert_eq!(cookie[attribute], expected, "{attribute}");
    }
    let token = token(&browser).unwrap();
    for path in ["/devices", "/password", "/live", "/admin"] {
        demo.open(&browser, path);
        assert_eq!(browser.path(), path);
        assert_eq!(browser.script("return document.cookie"), "");
        let html = browser.script("return document.documentElement.outerHTML");
        assert!(!html.as_str().unwrap().contains(&token), "{path}");
    }
    // Nor does it help to write one: the browser keeps what scripts must not see.
    browser.script(&format!("document.cookie = '{COOKIE}=x; Secure; Path=/'"));
    assert_eq!(crate::demo::token(&browser).as_ref(), Some(&token));
}

pub(crate) fn planted_cookie(programs: &Programs) {
    let demo = Demo::start();
    let [victim, mallory] = [LAPTOP, PHONE].map(|agent| Browser::start(programs, agent));
    demo.sign_up(&victim, "alice");
    demo.sign_up(&mallory, "mallory");
    victim.follow("#log-out-button");

    let of_mallory = token(&mallory).unwrap();
    let made_up = "A".repeat(of_mallory.len());
    for planted in [&made_up, &of_mallory] {
        demo.open(&victim, "/log-in");
        victim.add_cookie(json!({
            "name": COOKIE, "value": planted, "path": "/", "secure": true, "httpOnly": true,
        }));
        assert_eq!(token(&victim).as_ref(), Some(planted));
        demo.open(&victim, "/log-in");
        fill_in(&victim, "log-in", "alice", PASSWORD);
        assert_eq!(victim.text("#user"), "alice");
        assert_ne!(token(&victim).as_ref(), Some(planted));
        assert_eq!(victim.cookies().len(), 1);

        // Who planted it has nothing.
        mallory.add_cookie(json!({
            "name": COOKIE, "value": planted, "path": "/", "secure": true, "httpOnly": true,
        }));
        assert!(!demo.is_logged_in(&mallory));
        assert!(demo.is_logged_in(&victim));
        victim.follow("#log-out-button");
    }
}

pub(crate) fn forged_forms(programs: &Programs) {
    let demo = Demo::start();
    let victim = Browser::start(programs, LAPTOP);
    demo.sign_up(&victim, "mallory");
    victim.follow("#log-out-button");
    demo.sign_up(&victim, "alice");
    let before = token(&victim);

    for fetch_metadata in [true, false] {
        let relay = Relay::start(demo.port(), fetch_metadata);
        let origin = format!("http://localhost:{}", relay.port);
        // The same pages through the relay: the forms of the demo itself work.
        victim.open(&format!("{origin}/devices"));
        victim.follow("#end-others-button");
        let [own] = &*relay.take_posts() else {
            panic!("not one form");
        };
        assert_eq!((own.status, own.header("origin")), (303, Some(&*origin)));
        assert_eq!(
            own.header("sec-fetch-site"),
            fetch_metadata.then_some("same-origin")
        );

        let login = [("name", "mallory"), ("password", PASSWORD)];
        for (path, fields) in [
            ("/devices/end-all", &[][..]),
            ("/log-out", &[]),
            ("/log-in", &login),
        ] {
            let port = hostile::serve(hostile::page(&(origin.clone() + path), fields));
            // Another port is another origin of the same site: the cookie goes along.
            for (host, site) in [("localhost", "same-site"), (OTHER_SITE, "cross-site")] {
                let from = format!("http://{host}:{port}");
                victim.open(&from);
                victim.follow("#win");
                assert_eq!(victim.url(), format!("{origin}{path}"));
                assert_eq!(
                    victim.text("#message"),
                    "The request did not come from a page of this application."
                );
                let posts = relay.take_posts();
                let [forged] = &*posts else {
                    panic!("not one form: {posts:?}");
                };
                assert_eq!(forged.status, 403, "{forged:?}");
                assert_eq!(forged.header("origin"), Some(&*from));
                assert_eq!(
                    forged.header("sec-fetch-site"),
                    fetch_metadata.then_some(site)
                );
                assert_eq!(
                    forged.header("cookie").is_some(),
                    site == "same-site",
                    "{forged:?}"
                );

                assert!(demo.is_logged_in(&victim));
                assert_eq!(victim.text("#user"), "alice");
                assert_eq!(token(&victim), before);
            }
        }
    }
}
