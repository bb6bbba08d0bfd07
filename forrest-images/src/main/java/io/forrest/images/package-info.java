/** Disks and volumes: machine images with reflink copies, and the FAT volumes that carry files into guests and back. */
package io.forrest.images;
