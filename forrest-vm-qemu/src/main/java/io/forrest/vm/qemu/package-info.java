/** QEMU as hypervisor: its command line, its processes, its monitor protocol (QMP). */
package io.forrest.vm.qemu;
