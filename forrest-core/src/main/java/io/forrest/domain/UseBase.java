package io.forrest.domain;

/** When a machine starts from its base although its type has a machine image of its own. */
public enum UseBase {
    /** When the base is newer than the machine image, by modification time, or there is no machine image. */
    IF_NEWER,
    /** Each time. */
    ALWAYS,
    /** Never: the machine image must be there. */
    NEVER
}
