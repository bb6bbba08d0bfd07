/** What is known of jobs, and the demand for machines that follows from it. Used on the fleet thread only. */
package io.forrest.jobs;
