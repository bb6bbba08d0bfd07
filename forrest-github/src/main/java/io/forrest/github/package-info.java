/** GitHub as forge: the App's key and installations, runners, webhooks and polling over GitHub's REST API. */
package io.forrest.github;
