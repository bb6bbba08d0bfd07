/** {@code forrest demo}: the story of a machine image, told by real jobs in real VMs at an embedded GitHub. */
package io.forrest.launcher.demo;
