package io.forrest.domain;

import static org.assertj.core.api.Assertions.assertThat;

import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class DataSizeTest {
    @DataProvider
    public Object[][] roundings() {
        return new Object[][] {
            {0, "0B"},
            {1023, "1023B"},
            {1024, "1K"},
            {1025, "1K"},
            {1024 * 1024 - 1, "1023.9K"},
            {3435973837L, "3.2G"},
            {(5L << 30) - 1, "4.9G"},
            {5L << 30, "5G"},
            {Long.MAX_VALUE, "8388607.9T"}
        };
    }

    @Test(dataProvider = "roundings")
    public void forPeopleASizeIsRoundedDownToATenthOfItsUnit(long bytes, String rounded) {
        assertThat(new DataSize(bytes).rounded()).isEqualTo(rounded);
    }
}
