/*
 * switch_aarch64.S - the switch for aarch64, AAPCS64
 *
 * Saved, from the saved stack pointer upwards: x19-x28, x29, x30 (where to go on), d8-d15: 160 bytes.
 * Leaves through `ret` or `br`, for the reasons given in switch.h.
 */
        .text

/* Puts this context on its stack, and its stack pointer in [x0]. */
        .macro SAVE_CONTEXT
        sub     sp, sp, #160
        .cfi_adjust_cfa_offset 160
        stp     x19, x20, [sp, #0]
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x20, 8
        .cfi_rel_offset x21, 16
        .cfi_rel_offset x22, 24
        .cfi_rel_offset x23, 32
        .cfi_rel_offset x24, 40
        .cfi_rel_offset x25, 48
        .cfi_rel_offset x26, 56
        .cfi_rel_offset x27, 64
        .cfi_rel_offset x28, 72
        .cfi_rel_offset x29, 80
        .cfi_rel_offset x30, 88
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mov     x9, sp
        str     x9, [x0]
        .endm

/* The context that the stack pointer was set to; x30 is where it goes on. */
        .macro LOAD_CONTEXT
        ldp     d14, d15, [sp, #144]
        ldp     d12, d13, [sp, #128]
        ldp     d10, d11, [sp, #112]
        ldp     d8, d9, [sp, #96]
        ldp     x29, x30, [sp, #80]
        ldp     x27, x28, [sp, #64]
        ldp     x25, x26, [sp, #48]
        ldp     x23, x24, [sp, #32]
        ldp     x21, x22, [sp, #16]
        ldp     x19, x20, [sp, #0]
        add     sp, sp, #160
        .cfi_adjust_cfa_offset -160
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore x30
        .endm

/* To a context that left through this same call: see switch.h. */
        .globl  weir__arch_switch
        .hidden weir__arch_switch
        .type   weir__arch_switch, %function
        .p2align 4
weir__arch_switch:
        .cfi_startproc
        SAVE_CONTEXT
        mov     sp, x1
        LOAD_CONTEXT
        ret
        .cfi_endproc
        .size   weir__arch_switch, .-weir__arch_switch

/* To a new stack. */
        .globl  weir__arch_enter
        .hidden weir__arch_enter
        .type   weir__arch_enter, %function
        .p2align 4
weir__arch_enter:
        .cfi_startproc
        SAVE_CONTEXT
        mov     sp, x1
        LOAD_CONTEXT
        mov     x16, x30
        br      x16
        .cfi_endproc
        .size   weir__arch_enter, .-weir__arch_enter

/* First frame of a new stack: x19 is the entry, x20 its argument; it returns the stack pointer of the
   context to go on with. */
        .globl  weir__arch_start
        .hidden weir__arch_start
        .type   weir__arch_start, %function
        .p2align 4
weir__arch_start:
        .cfi_startproc
        .cfi_undefined x30
        mov     x29, #0
        mov     x30, #0
        mov     x0, x20
        blr     x19
        mov     sp, x0
        ldp     d14, d15, [sp, #144]
        ldp     d12, d13, [sp, #128]
        ldp     d10, d11, [sp, #112]
        ldp     d8, d9, [sp, #96]
        ldp     x29, x30, [sp, #80]
        ldp     x27, x28, [sp, #64]
        ldp     x25, x26, [sp, #48]
        ldp     x23, x24, [sp, #32]
        ldp     x21, x22, [sp, #16]
        ldp     x19, x20, [sp, #0]
        add     sp, sp, #160
        ret
        .cfi_endproc
        .size   weir__arch_start, .-weir__arch_start

        .section .note.GNU-stack, "", %progbits
