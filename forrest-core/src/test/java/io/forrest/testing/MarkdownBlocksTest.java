package io.forrest.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forrest.testing.MarkdownBlocks.Block;
import org.testng.annotations.Test;

public class MarkdownBlocksTest {
    @Test
    public void blocksComeWithTheirLanguageWhatFollowsItAndTheirLine() {
        assertThat(
                        MarkdownBlocks.in(
                                """
                                # Title
                                ```yaml in host
                                a: 1
                                  b
                                ```
                                Text with ``` in it.
                                - item
                                  ```sh
                                  ls

                                  ```

                                ````
                                ```
                                ````
                                """))
                .containsExactly(
                        new Block("yaml", "in host", "a: 1\n  b\n", 3),
                        new Block("sh", "", "ls\n\n", 9),
                        new Block("", "", "```\n", 14));
    }

    @Test
    public void aBlockWithoutAnEndIsAnError() {
        assertThatThrownBy(() -> MarkdownBlocks.in("a\n```sh\nls\n"))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("line 2");
    }
}
