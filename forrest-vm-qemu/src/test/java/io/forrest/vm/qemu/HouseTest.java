package io.forrest.vm.qemu;

import io.forrest.testing.HouseRules;

public class HouseTest extends HouseRules {}
