// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_vm.c: has a VM of KVM, and then has none, but lives on.
 *
 * For uevents.sh: says "made", reads a line, lets the VM go, says "gone", and ends with its input.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	char line[16];

	if (vm < 0) {
		perror("/dev/kvm");
		return 1;
	}
	setlinebuf(stdout);
	puts("made");
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	close(vm);
	close(kvm);
	puts("gone");
	return fgets(line, sizeof(line), stdin) ? 0 : 1;
}
