package io.forrest.images;

import io.forrest.testing.HouseRules;

public class HouseTest extends HouseRules {}
