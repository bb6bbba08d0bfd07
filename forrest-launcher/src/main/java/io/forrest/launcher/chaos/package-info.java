/** {@code forrest chaos}: a real daemon, real VMs and an embedded GitHub, all of which fail, and whether anything is lost. */
package io.forrest.launcher.chaos;
